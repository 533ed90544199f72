"""The benches' lab, commands and rivals."""
