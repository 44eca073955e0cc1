# Reference values of the score test of proportional hazards, and the study's analysis of
# the synthetic cohort, by R's survival package.
#
#   python -m tests.golden.real_cohorts INDIR
#   Rscript --vanilla tests/golden/cox_zph.R INDIR COHORT.csv OUT.json

suppressMessages(library(survival))
stopifnot(packageVersion("survival") >= "3.0")
arguments <- commandArgs(trailingOnly = TRUE)
control <- coxph.control(eps = 1e-14, iter.max = 100, toler.chol = 1e-15)

# ---- Cohort files, and covariates as the models take them

read_rows <- function(path) read.csv(path, stringsAsFactors = FALSE)
numbers <- function(rows) {
  x <- rows[setdiff(names(rows), c("complete_remission", "os_months", "death"))]
  # read.csv takes a column of true and false for text.
  as_number <- function(v) if (is.character(v)) as.numeric(v %in% c("true", "ALL", "myeloablative")) else as.numeric(v)
  as.data.frame(lapply(x, as_number))
}
transformed <- function(x) {
  for (name in intersect(names(x), c("cd34_dose_10e6_per_kg", "ldh_u_l", "ferritin_ng_ml")))
    x[[name]] <- log(x[[name]])
  if ("lymphocytes_10e9_l" %in% names(x)) {
    v <- x$lymphocytes_10e9_l
    x$lymphocytes_10e9_l <- log(v + min(v[v > 0]) / 2)
  }
  x
}
cox <- function(names, x, outcome, ties = "efron") {
  coxph(reformulate(names, quote(outcome)), data = cbind(x, outcome = outcome), ties = ties,
        control = control)
}

# ---- The score test, on data with and without ties

tests_of <- function(name) {
  rows <- read_rows(file.path(arguments[1], paste0(name, ".csv")))
  x <- transformed(numbers(rows))
  outcome <- Surv(rows$os_months, rows$death)
  unlist(lapply(c("efron", "breslow"), function(ties) {
    fit <- cox(names(x), x, outcome, ties)
    lapply(c("km", "rank", "identity", "log"), function(scale) {
      table <- cox.zph(fit, transform = scale)$table
      list(cohort = name, ties = ties, time_scale = scale, covariates = names(x),
           coefficients = unname(coef(fit)), chi_square = unname(table[, "chisq"]),
           p = unname(table[, "p"]))
    })
  }), recursive = FALSE)
}

# ---- The study's route on the synthetic cohort

study <- function(path) {
  rows <- read_rows(path)
  x <- transformed(numbers(rows))
  outcome <- Surv(rows$os_months, rows$death)
  wald <- function(fit) unname(2 * pnorm(-abs(coef(fit) / sqrt(diag(vcov(fit))))))
  all_of_them <- cox(names(x), x, outcome)
  kept <- names(x)
  removed <- character()
  repeat {
    p <- wald(cox(kept, x, outcome))
    if (max(p) < 0.05) break
    removed <- c(removed, kept[which.max(p)])
    kept <- kept[-which.max(p)]
  }
  curve <- summary(survfit(outcome ~ 1))
  s <- round(curve$surv, 12)
  u <- max(curve$time[s >= 0.55])
  l <- min(curve$time[s <= 0.45])
  middle <- which(s <= 0.5)[1]
  density <- (s[curve$time == u] - s[curve$time == l]) / (l - u)
  zph <- cox.zph(all_of_them)$table
  list(
    covariates = names(x),
    univariate_p = vapply(names(x), function(name) wald(cox(name, x, outcome)), 0),
    coefficients = coef(all_of_them), p = wald(all_of_them),
    ecog = unname(summary(all_of_them)$conf.int["ecog", c(1, 3, 4)]),
    removed = removed, kept = kept,
    proportional_hazards_p = unname(zph[, "p"]),
    median_months = curve$time[middle],
    median_standard_error = curve$std.err[middle] / density
  )
}

# ---- JSON, for which R has nothing of its own

write_json <- function(value) {
  if (is.list(value)) {
    items <- vapply(value, write_json, "")
    if (is.null(names(value))) return(paste0("[", paste(items, collapse = ",\n "), "]"))
    return(paste0("{", paste0('"', names(value), '": ', items, collapse = ",\n "), "}"))
  }
  text <- if (is.character(value)) paste0('"', value, '"') else formatC(value, digits = 17, width = 1, format = "g")
  scalar <- length(value) == 1 && is.null(names(value))
  if (scalar) text else paste0("[", paste(text, collapse = ", "), "]")
}

golden <- list(
  tests = unlist(lapply(c("lung", "lung_in_whole_months", "veteran"), tests_of), recursive = FALSE),
  study = study(arguments[2])
)
writeLines(write_json(golden), arguments[3])
