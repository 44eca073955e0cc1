"""Missing values of a cohort: imputed several times over, fits pooled."""
