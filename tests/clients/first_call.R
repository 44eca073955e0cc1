# What an R caller does first: predict, be refused, predict for several. Prints what it saw.
library(hsct2risk)

arguments <- commandArgs(trailingOnly = TRUE)
of_service <- function(...) PredictionsApi$new(ApiClient$new(base_path = arguments[[1]], ...))
predictions <- of_service(api_keys = c("X-API-Key" = arguments[[2]]))

refused <- function(call) {
  tryCatch(
    {
      call
      stop("it was not refused")
    },
    ApiException = function(refusal) refusal$ApiException$error_object
  )
}
codes <- function(errors) { # null comes as one that names nothing
  named <- Filter(function(each) !is.null(each$field), errors)
  lapply(named, function(each) c(each$field, each$code))
}

patient <- Patient$new(
  ecog = 2,
  age_years = 41,
  disease = Disease$new("AML"),
  post_transplant_cyclophosphamide = TRUE,
  hemoglobin_g_dl = 8.9
)
prediction <- predictions$predict_survival(
  patient,
  horizon_months = c(6, 12), confidence_level = 0.9
)
curve <- prediction$survival$curve
values <- lapply(prediction$contributions, function(each) each$value)
names(values) <- vapply(prediction$contributions, function(each) each$covariate, "")

problem <- refused(predictions$predict_survival(Patient$new(ecog = 5, age_years = 300)))
closed <- refused(of_service()$predict_survival(patient))

batch <- predictions$predict_survival_batch(
  list(patient, Patient$new(ecog = 0), Patient$new(ecog = 5)),
  horizon_months = c(12)
)

cat(jsonlite::toJSON(
  list(
    prediction_id = prediction$prediction_id,
    created_at = prediction$created_at,
    category = prediction$risk$category,
    horizons = lapply(prediction$survival$horizons, function(at) c(at$months, at$probability)),
    curve = list(curve$months, curve$probability, curve$lower, curve$upper),
    values = values,
    problem = list(problem$type, problem$status, codes(problem$errors)),
    stranger = list(closed$type, closed$status),
    batch = lapply(batch$predictions, function(row) {
      list(row$row, row$category, row$additional_properties$survival_12, codes(row$error))
    }),
    complete = batch$summary$complete
  ),
  auto_unbox = TRUE, digits = NA, null = "null", na = "null"
))
