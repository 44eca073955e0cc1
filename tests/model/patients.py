"""Hypothesis strategies for patients."""

from typing import Any

from hypothesis import strategies as st

from model.patient import Patient

PLAUSIBLE: dict[str, st.SearchStrategy[Any]] = {
    "age_years": st.floats(18, 75),
    "bmi_kg_m2": st.floats(15, 40),
    "disease": st.sampled_from(["AML", "ALL"]),
    "conditioning": st.sampled_from(["reduced_intensity", "myeloablative"]),
    "post_transplant_cyclophosphamide": st.booleans(),
    "donor_chimerism_percent": st.floats(0, 100),
    "cd34_dose_10e6_per_kg": st.floats(1, 20),
    "hemoglobin_g_dl": st.floats(6, 16),
    "lymphocytes_10e9_l": st.floats(0, 10),
    "ldh_u_l": st.floats(80, 2000),
    "ferritin_ng_ml": st.floats(20, 20_000),
}

ecogs = st.integers(0, 4)


def patients(*, unknown: bool = True) -> st.SearchStrategy[Patient]:
    """Return patients, with any of the covariates but ECOG unknown or with none."""
    known: dict[str, st.SearchStrategy[Any]] = {"ecog": ecogs}
    optional = PLAUSIBLE if unknown else {}
    if not unknown:
        known |= PLAUSIBLE
    return st.fixed_dictionaries(known, optional=optional).map(Patient.model_validate)
