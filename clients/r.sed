# What R's generator writes wrong: a parameter that is repeated is a list in a list, which httr
# refuses; and a choice is looked for among no words.
s/query_params\[\["([a-z_]+)"\]\] <- c\(query_params\[\["[a-z_]+"\]\], (list\(.*\))\)$/query_params <- c(query_params, \2)/
/%in% c\(\)\)\) \{/,/^        \}/d
