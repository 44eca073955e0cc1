import hsct2risk.ApiClient;
import hsct2risk.ApiException;
import hsct2risk.api.PredictionsApi;
import hsct2risk.model.BatchAnswer;
import hsct2risk.model.BatchRow;
import hsct2risk.model.Contribution;
import hsct2risk.model.Curve;
import hsct2risk.model.Disease;
import hsct2risk.model.FieldProblem;
import hsct2risk.model.Horizon;
import hsct2risk.model.Patient;
import hsct2risk.model.Prediction;
import hsct2risk.model.Problem;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What a Java caller does first: predict, be refused, predict for several. Prints what it saw. */
public final class FirstCall {
  public static void main(String[] arguments) throws Exception {
    ApiClient client = new ApiClient();
    client.updateBaseUri(arguments[0]);
    client.setRequestInterceptor(request -> request.header("X-API-Key", arguments[1]));
    PredictionsApi predictions = new PredictionsApi(client);

    Patient patient =
        new Patient()
            .ecog(2)
            .ageYears(41.0)
            .disease(Disease.AML)
            .postTransplantCyclophosphamide(true)
            .hemoglobinGDl(8.9);
    Prediction prediction =
        predictions.predictSurvival(patient, null, List.of(6.0, 12.0), 0.9, null, null);
    List<Object> horizons = new ArrayList<>();
    for (Horizon each : prediction.getSurvival().getHorizons()) {
      horizons.add(Arrays.asList(each.getMonths(), each.getProbability()));
    }
    Curve curve = prediction.getSurvival().getCurve();
    List<List<Double>> limits =
        List.of(curve.getMonths(), curve.getProbability(), curve.getLower(), curve.getUpper());
    Map<String, Object> values = new LinkedHashMap<>();
    for (Contribution each : prediction.getContributions()) {
      values.put(each.getCovariate(), each.getValue());
    }

    Problem problem = refused(predictions, new Patient().ecog(5).ageYears(300.0));
    ApiClient without = new ApiClient();
    without.updateBaseUri(arguments[0]);
    Problem closed = refused(new PredictionsApi(without), patient);

    List<Patient> several = List.of(patient, new Patient().ecog(0), new Patient().ecog(5));
    BatchAnswer batch = predictions.predictSurvivalBatch(several, null, List.of(12.0), null);
    List<Object> rows = new ArrayList<>();
    for (BatchRow each : batch.getPredictions()) {
      Double survival = each.getAdditionalProperty("survival_12");
      rows.add(
          Arrays.asList(each.getRow(), each.getCategory(), survival, codes(each.getError())));
    }

    Map<String, Object> seen = new LinkedHashMap<>();
    seen.put("prediction_id", prediction.getPredictionId());
    seen.put("created_at", prediction.getCreatedAt());
    seen.put("category", prediction.getRisk().getCategory());
    seen.put("horizons", horizons);
    seen.put("curve", limits);
    seen.put("values", values);
    seen.put(
        "problem",
        List.of(problem.getType(), problem.getStatus(), codes(problem.getErrors())));
    seen.put("stranger", List.of(closed.getType(), closed.getStatus()));
    seen.put("batch", rows);
    seen.put("complete", batch.getSummary().getComplete());
    System.out.println(client.getObjectMapper().writeValueAsString(seen));
  }

  private static Problem refused(PredictionsApi predictions, Patient patient) throws Exception {
    try {
      predictions.predictSurvival(patient, null, null, null, null, null);
    } catch (ApiException refusal) {
      return ApiClient.createDefaultObjectMapper()
          .readValue(refusal.getResponseBody(), Problem.class);
    }
    throw new IllegalStateException("it was not refused");
  }

  private static List<List<String>> codes(List<FieldProblem> errors) {
    List<List<String>> named = new ArrayList<>();
    for (FieldProblem each : errors == null ? List.<FieldProblem>of() : errors) {
      named.add(List.of(each.getField(), each.getCode()));
    }
    return named;
  }
}
