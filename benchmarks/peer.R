# Evaluates each line of its input and prints the result as one line.

suppressPackageStartupMessages({
  library(survival)
  library(rms)
})

seconds <- function(expression, times) {
  work <- substitute(expression)
  sprintf("%.9f", system.time(for (i in seq_len(times)) eval(work, globalenv()))[["elapsed"]] / times)
}

input <- file("stdin", "r")
while (length(line <- readLines(input, 1)) > 0) {
  cat(format(eval(parse(text = line), globalenv())), "\n", sep = "")
}
