# Prints what mice and coxph make of the lung cancer data with gaps, imputation.json.
#
#   Rscript tests/golden/imputation.R OUT.json
#
# Needs R's `survival` and `mice`. The gaps: patients' own Karnofsky score and calories as
# they are, plus two made here that depend on other covariates and on the outcome: the sex
# of most patients above 68 and the age of some who died within 200 days. Numbers by
# predictive mean matching or, to compare, by normal regression; sex by logistic regression.
# With survival 3.5-3 and mice 3.15.0 it runs for some minutes.
# The pooled values are means over 100 imputations and carry a Monte-Carlo error of
# sqrt(B / 100); B is printed with them.

suppressPackageStartupMessages({library(survival); library(mice)})
output_path <- commandArgs(trailingOnly = TRUE)[1]
imputations <- 100

table <- lung[!is.na(lung$ph.ecog), ]
row <- seq_len(nrow(table)) - 1
sex_gap <- table$age > 68 & row %% 3 != 0
age_gap <- table$status == 2 & table$time < 200 & row %% 2 == 0
completed <- data.frame(
  ecog = table$ph.ecog,
  age = ifelse(age_gap & !sex_gap, NA, table$age),
  female = ifelse(sex_gap, NA, table$sex - 1),
  karnofsky = table$pat.karno,
  log_calories = log(table$meal.cal),
  time = table$time,
  death = as.integer(table$status == 2)
)
completed$hazard <- nelsonaalen(completed, time, death)

pooled <- function(method_of_numbers) {
  data <- completed
  if (method_of_numbers == "complete cases") {
    fit <- coxph(Surv(time, death) ~ ecog + age + female + karnofsky + log_calories, data)
    return(list(coefficients = unname(coef(fit)), se = unname(sqrt(diag(vcov(fit))))))
  }
  data$female <- factor(data$female)
  method <- c(ecog = "", age = method_of_numbers, female = "logreg",
    karnofsky = method_of_numbers, log_calories = method_of_numbers,
    time = "", death = "", hazard = "")
  predictors <- 1 - diag(ncol(data))
  dimnames(predictors) <- list(names(data), names(data))
  predictors[, "time"] <- 0
  imputed <- mice(data, m = imputations, maxit = 10, method = method,
    predictorMatrix = predictors, seed = 20250604, printFlag = FALSE)
  fits <- with(imputed, coxph(Surv(time, death) ~ ecog + age + female + karnofsky + log_calories))
  rows <- pool(fits)$pooled
  list(coefficients = rows$estimate, se = sqrt(rows$t), between = rows$b,
    relative_variance_increase = rows$riv)
}

write_json <- function(x) {
  if (!is.list(x)) return(paste0("[", paste(sprintf("%.17g", x), collapse = ", "), "]"))
  members <- mapply(function(k, v) paste0('"', k, '": ', write_json(v)), names(x), x)
  paste0("{\n", paste(members, collapse = ",\n"), "\n}")
}
answer <- list(
  gaps = unname(colSums(is.na(completed))[1:5]),
  complete_cases = pooled("complete cases"),
  pmm = pooled("pmm"),
  norm = pooled("norm")
)
writeLines(write_json(answer), output_path)
