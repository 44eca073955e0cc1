# Prints the reference residuals of Cox models, residuals.json.
#
#   python -m tests.golden.real_cohorts INDIR && Rscript tests/golden/residuals.R INDIR OUT.json
#
# Lung in whole months, which has heavy ties, with three covariates on their own scales.
# Every seventh row, and the sum over all rows, keep the file small.

suppressPackageStartupMessages(library(survival))
options(warn = 2)

arguments <- commandArgs(trailingOnly = TRUE)
lung <- read.csv(file.path(arguments[1], "lung_in_whole_months.csv"))

array <- function(x) paste0("[", paste(sprintf("%.17g", x), collapse = ", "), "]")
matrix_of <- function(x) paste0("[", paste(apply(x, 1, array), collapse = ",\n"), "]")
thinned <- function(x) x[seq(1, NROW(x), by = 7), , drop = FALSE]

of_ties <- function(ties) {
  fit <- coxph(
    Surv(os_months, death) ~ ecog + age_years + log(ferritin_ng_ml),
    data = lung, ties = ties,
    control = coxph.control(eps = 1e-14, iter.max = 100, toler.chol = 1e-15)
  )
  martingale <- as.matrix(residuals(fit, "martingale"))
  dfbeta <- residuals(fit, "dfbeta")
  scaled <- residuals(fit, "scaledsch")
  paste0(
    '{"ties": "', ties,
    '",\n"martingale": ', array(thinned(martingale)),
    ',\n"dfbeta": ', matrix_of(thinned(dfbeta)),
    ',\n"death_months": ', array(as.numeric(rownames(scaled))),
    ',\n"scaled_schoenfeld": ', matrix_of(thinned(scaled)),
    ',\n"absolute_sums": ', array(c(
      sum(abs(martingale)), colSums(abs(dfbeta)), colSums(abs(scaled))
    )), "}"
  )
}

writeLines(
  paste0('{"fits": [', paste(sapply(c("efron", "breslow"), of_ties), collapse = ",\n"), "]}"),
  arguments[2]
)
