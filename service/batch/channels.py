"""How the records of a batch are told apart in the audit store."""

HEADER_CHANNEL = "batch-header"
"""Stored under the batch's id, with its first rows: what was asked, of which model."""

ROW_CHANNEL = "batch"
"""Stored under the batch's id, a hyphen and the row's number."""

END_CHANNEL = "batch-end"
"""Stored under the batch's id and `END_SUFFIX`, last: the summary. A batch without was cut off."""

END_SUFFIX = "-end"
OF_WHOLE_BATCH = (HEADER_CHANNEL, END_CHANNEL)
