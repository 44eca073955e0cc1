"""How the predictions of a batch are wanted."""

from service.predictions import SurvivalQuery


class BatchQuery(SurvivalQuery):
    """As for a single prediction; there is no curve in a narrow answer."""

    @property
    def horizons_months(self) -> list[float]:
        """The times, each once, in the order in which they were asked for."""
        return list(dict.fromkeys(self.horizon_months))


class StoredBatchQuery(BatchQuery):
    """The query as it is stored with each row, and which rows were computed together.

    The last bit of a row's numbers depends on them: `audit replay` computes them together again.
    """

    first_row: int | None = None
