"""CDS Hooks 2.0: cards for clinicians, shown by the EHR beside a patient's chart."""
