# Prints the reference values of the Kaplan-Meier arithmetic, kaplan_meier.json.
#
#   python -m tests.golden.real_cohorts INDIR && Rscript tests/golden/kaplan_meier.R INDIR OUT.json
#
# Needs R's `survival` only. Survival with log-log limits at several times, how many are
# at risk, and the median with its limits as R prints it; NA is written as null.

suppressPackageStartupMessages(library(survival))
options(warn = 2)

arguments <- commandArgs(trailingOnly = TRUE)
input_folder <- arguments[1]
output_path <- arguments[2]

number <- function(x) ifelse(is.na(x), "null", sprintf("%.17g", x))
array <- function(x) paste0("[", paste(number(x), collapse = ", "), "]")

curve <- function(name, time, death, level, at) {
  fit <- survfit(Surv(time, death) ~ 1, conf.type = "log-log", conf.int = level)
  step <- findInterval(at, fit$time)
  pick <- function(part, before) c(before, part)[step + 1]
  median <- summary(fit)$table[c("median", sprintf("%gLCL", level), sprintf("%gUCL", level))]
  paste0(
    "{\n",
    '"name": "', name, '",\n"confidence_level": ', number(level),
    ',\n"time": ', array(time), ',\n"death": ', array(as.numeric(death)),
    ',\n"at": ', array(at), ',\n"survival": ', array(pick(fit$surv, 1)),
    ',\n"lower": ', array(pick(fit$lower, NA)), ',\n"upper": ', array(pick(fit$upper, NA)),
    ',\n"at_risk": ', array(c(fit$n.risk, 0)[findInterval(at, fit$time, left.open = TRUE) + 1]),
    ',\n"median": ', array(median), "\n}"
  )
}

lung <- read.csv(file.path(input_folder, "lung.csv"))
veteran <- read.csv(file.path(input_folder, "veteran.csv"))
of_lung <- function(name, rows, level = 0.95) {
  chosen <- lung[rows, ]
  # Before the first death, at a death, between deaths, and late.
  first <- min(chosen$os_months[chosen$death == 1])
  times <- c(first / 2, first, 3.1, 6, 11.3347, 12, 20.5, 24)
  times <- times[times <= max(chosen$os_months)]
  curve(name, chosen$os_months, chosen$death, level, times)
}
curves <- c(
  of_lung("lung", TRUE),
  of_lung("lung at 80 %", TRUE, 0.8),
  of_lung("lung, ECOG 0-1", lung$ecog <= 1),
  of_lung("lung, ECOG 2-4", lung$ecog >= 2),
  curve("veteran", veteran$os_months, veteran$death, 0.95, c(0.02, 1, 2.6, 5.3, 12, 19)),
  # S is exactly 1/2 from 2 to 5: 3/4 after 1, 1/2 after 2, with nobody censored between.
  curve(
    "half on an interval", c(1, 2, 5, 7), c(1, 1, 1, 1), 0.95, c(0.5, 1, 1.5, 2, 4.9, 5, 7)
  ),
  # (9/10)(8/9)(7/8)(6/7)(5/6) is 1/2 on paper and not in binary; then one is censored.
  curve(
    "half on paper", c(1, 2, 3, 4, 5, 6, 8, 9, 10, 11), c(1, 1, 1, 1, 1, 0, 1, 0, 1, 0), 0.95,
    c(4, 5, 7, 8, 10.5)
  ),
  curve("half to the end", c(1, 2, 3, 4), c(1, 1, 0, 0), 0.95, c(0, 1, 2, 4)),
  curve("not reached", c(1, 2, 3, 4, 5, 6), c(1, 0, 0, 1, 0, 0), 0.95, c(1, 3, 4, 6)),
  curve("no deaths", c(1, 2, 3), c(0, 0, 0), 0.95, c(0.5, 1, 3)),
  curve(
    "tied deaths and censorings", c(1, 1, 1, 2, 2, 3, 3, 3, 4), c(1, 1, 0, 1, 0, 1, 1, 0, 0), 0.95,
    c(1, 2, 2.5, 3, 4)
  )
)
writeLines(paste0("[\n", paste(curves, collapse = ",\n"), "\n]"), output_path)
