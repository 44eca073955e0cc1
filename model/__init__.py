"""What a patient, a Cox model, a prediction and a risk category are."""
