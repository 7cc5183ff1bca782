import pytest

from servicetsunami.engines.files import ReadOptions
from servicetsunami.errors import InvalidInput


def test_an_unknown_option_names_the_nearest() -> None:
    with pytest.raises(InvalidInput, match=r"no option 'delimeter'.*Did you mean delimiter\?"):
        ReadOptions.parse({"delimeter": ","})


def test_names_from_other_tools_are_understood() -> None:
    options = ReadOptions.parse({"sep": "tab", "sheet_name": "Q1", "na_values": "n.a."})

    assert (options.delimiter, options.sheet, options.null_values) == ("\t", "Q1", ("n.a.",))


@pytest.mark.parametrize(
    ("given", "understood"),
    [
        ("dd/MM/yyyy", "%d/%m/%Y"),
        ("yyyy-MM-dd'T'HH:mm:ss", "%Y-%m-%dT%H:%M:%S"),
        ("%d.%m.%y", "%d.%m.%y"),
        ("d MMM yyyy", "%d %b %Y"),
    ],
)
def test_date_formats_of_spark_and_of_python_are_understood(given: str, understood: str) -> None:
    assert ReadOptions.parse({"date_format": given}).date_format == understood


@pytest.mark.parametrize(
    ("given", "understood"),
    [
        ("Decimal(10, 2)", "decimal(10,2)"),
        ("integer", "int"),
        ("ARRAY<struct<a: long, b : string>>", "array<struct<a:bigint,b:string>>"),
        ("map<string,double>", "map<string,double>"),
        ("varchar(20)", "string"),
    ],
)
def test_column_types_have_one_spelling(given: str, understood: str) -> None:
    assert ReadOptions.parse({"columns": {"x": given}}).columns == {"x": understood}


@pytest.mark.parametrize(
    "given",
    [
        {"columns": {"x": "money"}},
        {"columns": {"x": "decimal(40,2)"}},
        {"columns": {"x": "array<int"}},
        {"columns": ["x"]},
        {"delimiter": "||"},
        {"header": "yes"},
        {"skip_rows": -1},
        {"encoding": "klingon"},
        {"format": "pdf"},
        {"date_format": "tomorrow"},
        {"null_values": [1]},
        {"sheet": 0},
    ],
)
def test_values_of_the_wrong_kind_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(InvalidInput, match=r"(Give|Use) "):
        ReadOptions.parse(given)
