# Prints the reference values of the Cox arithmetic, cox.json.
#
#   python -m tests.golden.real_cohorts INDIR && Rscript tests/golden/cox.R INDIR OUT.json
#
# Needs R's `survival` only. Everything is on the scale of the transformed covariates
# (log of ferritin and LDH; the first choice of a pair 0, the second 1), whichever scale
# the fit was made on, and the baseline is that of a patient whose covariates are all 0.

suppressPackageStartupMessages(library(survival))
options(warn = 2)

arguments <- commandArgs(trailingOnly = TRUE)
input_folder <- arguments[1]
output_path <- arguments[2]

# eps: the default 1e-9 stops while the eighth digit may still move. coxph.control wants
# toler.chol below eps; it decides only which columns count as collinear, and none is.
control <- coxph.control(eps = 1e-14, iter.max = 100, toler.chol = 1e-15)
z <- qnorm(0.975)
theta <- 5

# ---- JSON: 17 significant digits, NA as null, a vector of one value as that value

write_value <- function(x) {
  if (is.character(x)) return(paste0('"', x, '"'))
  if (is.logical(x)) return(ifelse(is.na(x), "null", tolower(x)))
  if (any(is.infinite(x))) stop("an infinite value has no place in the golden file")
  ifelse(is.na(x), "null", sprintf("%.17g", x))
}
write_array <- function(items) paste0("[", paste(items, collapse = ", "), "]")
write_json <- function(x) {
  if (is.list(x) && !is.null(names(x))) {
    members <- mapply(function(k, v) paste0('"', k, '": ', write_json(v)), names(x), x)
    return(paste0("{\n", paste(members, collapse = ",\n"), "\n}"))
  }
  if (is.list(x)) return(write_array(vapply(x, write_json, "")))
  if (is.matrix(x)) return(write_array(apply(x, 1, function(row) write_array(write_value(row)))))
  if (length(x) == 1) write_value(x) else write_array(write_value(x))
}

# ---- Cohorts

as_number <- function(name, column) {
  switch(name,
    disease = match(column, c("AML", "ALL")) - 1,
    conditioning = match(column, c("reduced_intensity", "myeloablative")) - 1,
    post_transplant_cyclophosphamide = match(column, c("false", "true")) - 1,
    ferritin_ng_ml = ,
    ldh_u_l = log(column),
    as.numeric(column)
  )
}
transformed <- function(table, covariates) {
  as.data.frame(Map(as_number, covariates, table[covariates]), col.names = covariates)
}
read_cohort <- function(name) {
  table <- read.csv(file.path(input_folder, paste0(name, ".csv")))
  patients <- read.csv(file.path(input_folder, paste0(name, ".patients.csv")))
  covariates <- setdiff(names(table), c("os_months", "death"))
  time <- table$os_months
  died <- table$death == 1
  deaths <- sort(unique(time[died]))
  between <- deaths[length(deaths) %/% 3 + 0:1]
  middle <- deaths[length(deaths) %/% 2]
  last <- sort(time, decreasing = TRUE)[5]
  censored <- sort(setdiff(time[!died & time > middle & time < last], deaths))
  list(
    name = name, covariates = covariates, time = time, death = table$death,
    x = transformed(table, covariates), newdata = transformed(patients, covariates),
    patients = patients,
    # Before the first death; between two deaths; exactly at a death; where someone was
    # censored and nobody died; and the last time with five still at risk.
    times = c(
      deaths[1] / 2, round(mean(between), 4), middle, censored[(length(censored) + 1) %/% 2], last
    )
  )
}

# ---- Fits

predictions <- function(fit, newdata, times) {
  curves <- survfit(fit, newdata = newdata, conf.type = "log-log")
  # A trap: `std.err` of the object is the standard error of the cumulative hazard (object
  # component logse is TRUE); summary(curves)$std.err is that of survival, S times larger.
  # The first is taken.
  stopifnot(curves$logse, identical(curves$std.err, curves$std.chaz))
  at <- findInterval(times, curves$time)
  pick <- function(part, before) t(rbind(before, part)[at + 1, , drop = FALSE])
  list(
    survival = unname(pick(curves$surv, 1)),
    standard_error_of_cumulative_hazard = unname(pick(curves$std.err, 0)),
    lower = unname(pick(curves$lower, NA)),
    upper = unname(pick(curves$upper, NA))
  )
}
describe <- function(cohort, ties, penalty, fit, beta, variance, baseline_factor, newdata) {
  se <- sqrt(diag(variance))
  base <- basehaz(fit, centered = FALSE)
  at_deaths <- base$time %in% cohort$time[cohort$death == 1]
  c(
    list(
      cohort = cohort$name, ties = ties, covariates = cohort$covariates, penalty = penalty,
      coefficients = unname(beta), standard_errors = unname(se), variance = unname(variance),
      hazard_ratios = unname(exp(beta)),
      hazard_ratios_lower = unname(exp(beta - z * se)),
      hazard_ratios_upper = unname(exp(beta + z * se)),
      p_values = unname(pchisq((beta / se)^2, 1, lower.tail = FALSE)),
      # Of the data alone: for a penalised fit R leaves the penalty out of `loglik`.
      log_likelihood = fit$loglik[2],
      baseline = list(
        months = base$time[at_deaths],
        cumulative_hazard = base$hazard[at_deaths] * baseline_factor
      )
    ),
    predictions(fit, newdata, cohort$times)
  )
}
unpenalised <- function(cohort, ties) {
  outcome <- Surv(cohort$time, cohort$death)
  fit <- coxph(outcome ~ ., data = cohort$x, ties = ties, control = control)
  describe(
    cohort, ties, 0 * coef(fit), fit, coef(fit), vcov(fit), 1, cohort$newdata
  )
}
# ECOG free, the others under theta/2 * sum(beta^2) on covariates that are centred and
# divided by their SD (n - 1), binaries too. fit$var is (I + penalty)^-1, which survfit
# uses with newdata (fit$var2, the sandwich form, it doesn't). scale = FALSE matters
# twice: ridge's default would take the penalty to other units, and would rescale the
# newdata by their own SD.
penalised <- function(cohort, ties) {
  others <- setdiff(cohort$covariates, "ecog")
  stopifnot(identical(cohort$covariates, c("ecog", others)))
  centre <- colMeans(cohort$x)
  spread <- vapply(cohort$x, sd, 0)
  scaled <- function(x) as.data.frame(scale(x, centre, spread))
  outcome <- Surv(cohort$time, cohort$death)
  model <- as.formula(sprintf(
    "outcome ~ ecog + ridge(%s, theta = %d, scale = FALSE)", paste(others, collapse = ", "), theta
  ))
  fit <- coxph(model, data = scaled(cohort$x), ties = ties, control = control)
  beta <- coef(fit) / spread
  result <- describe(
    cohort, ties, c(0, rep(theta, length(others))), fit, beta, fit$var / outer(spread, spread),
    exp(-sum(beta * centre)), scaled(cohort$newdata)
  )
  c(result, list(scaled = list(
    means = unname(centre), standard_deviations = unname(spread),
    coefficients = unname(coef(fit)), standard_errors = sqrt(diag(fit$var)),
    variance = unname(fit$var)
  )))
}

# ---- Therneau's example, whose derivation by hand is in hand_worked.py

hand_worked <- function(ties) {
  # One more row has an unknown status, which drops it from every analysis.
  rows <- data.frame(
    time = c(9, 1, 1, 6, 6, 8), status = c(1, 1, 0, 1, 1, 0), x = c(0, 1, 1, 1, 0, 0)
  )
  fit_from <- function(...) {
    coxph(Surv(time, status) ~ x, data = rows, ties = ties, control = coxph.control(...))
  }
  at_zero <- fit_from(iter.max = 0)
  fit <- fit_from(eps = 1e-14, iter.max = 100, toler.chol = 1e-15)
  baseline <- basehaz(fit, centered = FALSE)
  curves <- summary(survfit(fit, newdata = data.frame(x = 0:1)), times = c(1, 6, 9))
  list(
    coefficient = unname(coef(fit)),
    score_at_zero = sum(coxph.detail(at_zero)$score),
    information_at_zero = 1 / drop(vcov(at_zero)),
    information = 1 / drop(vcov(fit)),
    log_likelihood_at_zero = fit$loglik[1],
    log_likelihood = fit$loglik[2],
    cumulative_hazard = baseline$hazard[match(c(1, 6, 9), baseline$time)],
    # summary() gives the standard error of survival, not of the cumulative hazard.
    variance_of_survival = t(unname(curves$std.err^2))
  )
}

cohorts <- lapply(c("lung", "lung_in_whole_months", "veteran"), read_cohort)
names(cohorts) <- vapply(cohorts, `[[`, "", "name")
both <- c("efron", "breslow")
pairs <- function(names, fitted) {
  do.call(c, lapply(names, function(name) lapply(both, function(t) fitted(cohorts[[name]], t))))
}
patient <- function(cohort, i) {
  row <- as.list(cohort$patients[i, ])
  lapply(row, function(v) if (v %in% c("true", "false")) v == "true" else v)
}
golden <- list(
  cohorts = lapply(cohorts, function(cohort) list(
    rows = length(cohort$time), deaths = sum(cohort$death), covariates = cohort$covariates,
    patients = lapply(seq_len(nrow(cohort$patients)), function(i) patient(cohort, i)),
    months = cohort$times
  )),
  fits = c(
    pairs(c("lung", "lung_in_whole_months", "veteran"), unpenalised),
    pairs(c("lung", "lung_in_whole_months"), penalised)
  ),
  hand_worked = lapply(c(efron = "efron", breslow = "breslow"), hand_worked)
)
writeLines(write_json(golden), output_path)
