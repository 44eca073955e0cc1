# What R's generator writes wrong. A parameter that is repeated is a list in a list, which httr refuses.
s/query_params\[\["([a-z_]+)"\]\] <- c\(query_params\[\["[a-z_]+"\]\], (list\(.*\))\)$/query_params <- c(query_params, \2)/
# A choice is looked for among no words.
/%in% c\(\)\)\) \{/,/^        \}/d
# A class with values of further names inherits from their type, which is no class.
/^  inherit = [a-z]+,$/d
