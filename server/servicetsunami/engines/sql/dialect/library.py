"""The allow-list: every function that a statement may call."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from servicetsunami.engines.sql.dialect import (
    date_patterns,
    fn_aggregates,
    fn_arrays,
    fn_dates,
    fn_json,
    fn_lambdas,
    fn_maps,
    fn_math,
    fn_misc,
    fn_numerals,
    fn_regexps,
    fn_statistics,
    fn_strings,
    fn_times,
    fn_windows,
)
from servicetsunami.engines.sql.dialect.functions import Function

FAMILIES: Final[Mapping[str, Mapping[str, Function]]] = MappingProxyType(
    {
        "Strings": fn_strings.STRINGS,
        "Regular expressions": fn_regexps.REGEXPS,
        "Numbers as text": fn_numerals.NUMERALS,
        "Numbers": fn_math.MATH,
        "Dates": fn_dates.DATES,
        "Timestamps and intervals": fn_times.TIMES,
        "Arrays": fn_arrays.ARRAYS,
        "Maps and structs": fn_maps.MAPS,
        "Functions that take a function": fn_lambdas.LAMBDAS,
        "JSON and VARIANT": fn_json.JSON,
        "Aggregates": fn_aggregates.AGGREGATES,
        "Statistics": fn_statistics.STATISTICS,
        "Windows, first and last": fn_windows.WINDOWS,
        "Conditions, casts and the rest": fn_misc.MISC,
    }
)
FUNCTIONS: Final[Mapping[str, Function]] = MappingProxyType(
    {name: function for family in FAMILIES.values() for name, function in family.items()}
)
TABLE_FUNCTIONS: Final = frozenset(
    {
        *("range", "explode", "explode_outer", "posexplode", "posexplode_outer"),
        *("inline", "inline_outer", "stack", "json_tuple"),
    }
)
MACROS: Final = (
    *fn_strings.MACROS,
    *fn_math.MACROS,
    *fn_arrays.MACROS,
    *fn_lambdas.MACROS,
    *fn_json.MACROS,
    *fn_aggregates.MACROS,
    *date_patterns.MACROS,
    *fn_dates.MACROS,
    *fn_misc.MACROS,
)
