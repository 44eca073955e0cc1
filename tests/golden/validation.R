# Prints the reference values of the validation, validation.json.
#
#   python -m tests.golden.real_cohorts INDIR && Rscript tests/golden/validation.R INDIR OUT.json
#
# Needs R's `survival`, `rms` and `riskRegression`; with a third argument, `measures`, the
# first only, and leaves out what the others give. A model is fitted to the odd rows and
# judged on the even ones. Concordance is `survival::concordance`, slope and smooth curve are `coxph`; Brier score, AUC and net
# benefit are written out from `survfit`; Brier and AUC once more by `riskRegression::Score`.
# `rms::validate` is a bootstrap, and has a Monte-Carlo error.

suppressPackageStartupMessages(library(survival))

arguments <- commandArgs(trailingOnly = TRUE)
input_folder <- arguments[1]
output_path <- arguments[2]
everything <- length(arguments) < 3
horizons <- c(6, 12, 24)
grid <- c(0.2, 0.35, 0.5, 0.65, 0.8)
thresholds <- c(0.2, 0.4, 0.5, 0.6, 0.8)

number <- function(x) ifelse(is.na(x), "null", sprintf("%.17g", x))
array <- function(x) paste0("[", paste(number(x), collapse = ", "), "]")
object <- function(parts) {
  text <- vapply(parts, function(p) if (is.character(p)) p else array(p), "")
  paste0("{", paste0('"', names(parts), '": ', text, collapse = ",\n"), "}")
}
step <- function(times, values, before, at, left = FALSE) {
  c(before, values)[findInterval(at, times, left.open = left) + 1]
}

formulas <- list(
  lung = Surv(os_months, death) ~ ecog + age_years + female + log(ferritin_ng_ml),
  veteran = Surv(os_months, death) ~ ecog + age_years + all + mac + log(ldh_u_l)
)
formulas$lung_in_whole_months <- formulas$lung

read <- function(name) {
  d <- read.csv(file.path(input_folder, paste0(name, ".csv")))
  if (name == "veteran") {
    d$all <- as.numeric(d$disease == "ALL")
    d$mac <- as.numeric(d$conditioning == "myeloablative")
  } else {
    d$female <- as.numeric(d$post_transplant_cyclophosphamide == "true")
  }
  d
}

# The censoring survival, deaths first among ties: they are moved ahead of the censorings, by
# less than the four decimals of the times (and more than survfit's `timefix` takes for equal).
censoring <- function(time, death) {
  fit <- survfit(Surv(time - death * 1e-5, 1 - death) ~ 1)
  function(at, left = FALSE) step(fit$time, fit$surv, 1, if (left) at - 2e-5 else at)
}

brier <- function(time, death, survival, at, g) {
  alive <- time > at
  mean(ifelse(alive, (1 - survival)^2 / g(at), death * survival^2 / g(time, left = TRUE)))
}

auc <- function(time, death, lp, at, g) {
  case <- which(time <= at & death == 1)
  control <- which(time > at)
  weight <- 1 / g(time[case], left = TRUE)
  wins <- outer(lp[case], lp[control], function(a, b) (a > b) + 0.5 * (a == b))
  sum(weight * rowSums(wins)) / (sum(weight) * length(control))
}

net_benefit <- function(time, death, risk, at, p) {
  high <- risk > p
  if (!any(high)) return(0)
  fit <- survfit(Surv(time[high], death[high]) ~ 1)
  s <- step(fit$time, fit$surv, 1, at)
  mean(high) * ((1 - s) - s * p / (1 - p))
}

# Restricted cubic spline, as Hmisc::rcspline.eval(norm = 2).
cubic <- function(x, t) {
  cube <- function(k) pmax(x - k, 0)^3
  (cube(t[1]) - cube(t[2]) * (t[3] - t[1]) / (t[3] - t[2]) +
    cube(t[3]) * (t[2] - t[1]) / (t[3] - t[2])) / (t[3] - t[1])^2
}

judge <- function(name) {
  d <- read(name)
  odd <- seq_len(nrow(d)) %% 2 == 1
  control <- coxph.control(eps = 1e-14, iter.max = 100, toler.chol = 1e-15)
  fit <- coxph(formulas[[name]], d[odd, ], control = control, model = TRUE)
  base <- basehaz(fit, centered = FALSE)
  even <- d[!odd, ]
  lp <- unname(predict(fit, even, type = "lp", reference = "zero"))
  time <- even$os_months
  death <- even$death
  survival <- function(at) exp(-exp(lp) * step(base$time, base$hazard, 0, at))
  at <- horizons[horizons < max(time)]
  g <- censoring(time, death)
  km <- survfit(Surv(time, death) ~ 1)
  observed <- step(km$time, km$surv, 1, at)
  brier_at <- sapply(at, function(h) brier(time, death, survival(h), h, g))
  null_at <- sapply(seq_along(at), function(i) brier(time, death, observed[i], at[i], g))
  limit <- max(at)
  times <- sort(unique(time[time < limit]))
  scores <- sapply(times, function(t) brier(time, death, survival(t), t, g))
  centred <- lp - mean(lp)
  slope <- coxph(Surv(time, death) ~ centred, control = control)
  knots <- quantile(centred, c(0.1, 0.5, 0.9))
  nonlinear <- cubic(centred, knots)
  smooth <- coxph(Surv(time, death) ~ centred + nonlinear, control = control)
  smooth_base <- basehaz(smooth, centered = FALSE)
  curve <- sapply(at, function(h) {
    z <- log(-log(grid)) - log(step(base$time, base$hazard, 0, h)) - mean(lp)
    effect <- cbind(z, cubic(z, knots)) %*% coef(smooth)
    exp(-step(smooth_base$time, smooth_base$hazard, 0, h) * exp(drop(effect)))
  })
  parts <- list(
    name = paste0('"', name, '"'),
    horizons = at,
    harrell = unname(concordance(Surv(time, death) ~ lp, reverse = TRUE)$concordance),
    uno = unname(concordance(
      Surv(time, death) ~ lp, reverse = TRUE, timewt = "n/G2", ymax = limit
    )$concordance),
    auc = sapply(at, function(h) auc(time, death, lp, h, g)),
    brier = brier_at,
    ipa = 1 - brier_at / null_at,
    integrated_brier = sum(scores * diff(c(times, limit))) / limit,
    observed_expected = (1 - observed) / sapply(at, function(h) mean(1 - survival(h))),
    slope = unname(coef(slope)),
    grid = grid,
    curve = paste0("[", paste(apply(curve, 2, array), collapse = ", "), "]"),
    thresholds = thresholds,
    net_benefit = sapply(thresholds, function(p) {
      net_benefit(time, death, 1 - survival(12), 12, p)
    })
  )
  if (everything) {
    risk <- sapply(at, function(h) 1 - survival(h))
    score <- riskRegression::Score(
      list(model = risk), Surv(time, death) ~ 1,
      data = data.frame(time, death), times = at, cens.model = "km",
      se.fit = FALSE, conf.int = FALSE, summary = "ipa"
    )
    of_model <- function(table) table[table$model == "model", ]
    parts$score_auc <- of_model(as.data.frame(score$AUC$score))$AUC
    parts$score_brier <- of_model(as.data.frame(score$Brier$score))$Brier
    parts$score_ipa <- of_model(as.data.frame(score$Brier$score))$IPA
  }
  object(parts)
}

# The whole cohort, unpenalised: training, test, optimism and corrected, of 1,000 resamples.
bootstrap <- function(name) {
  suppressPackageStartupMessages(library(rms))
  set.seed(20250604)
  d <- read(name)
  fit <- rms::cph(formulas[[name]], d, x = TRUE, y = TRUE)
  table <- rms::validate(fit, B = 1000)
  columns <- c("index.orig", "training", "test", "optimism", "index.corrected")
  object(list(
    name = paste0('"', name, '"'),
    dxy = unname(table["Dxy", columns]),
    slope = unname(table["Slope", columns])
  ))
}

names <- c("lung", "lung_in_whole_months", "veteran")
sections <- c(judged = paste0("[", paste(sapply(names, judge), collapse = ",\n"), "]"))
if (everything) {
  done <- sapply(c("lung", "veteran"), bootstrap)
  sections["validate"] <- paste0("[", paste(done, collapse = ",\n"), "]")
}
writeLines(object(as.list(sections)), output_path)
