"""openapi.json, made from the types of the typed API."""

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from itertools import pairwise
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from hostcollector import __version__
from hostcollector.catalogue import OF_TENANTS
from hostcollector.gateway.api import types
from hostcollector.gateway.api.call import LATEST
from hostcollector.gateway.api.usage import MONTH, MOST_RECORDS, Format
from hostcollector.gateway.tenant import UUID
from hostcollector.gateway.usage.cursors import FORM
from hostcollector.gateway.usage.months import By

_SIMPLE = {str: "string", int: "integer", float: "number", bool: "boolean"}
_VM = {
    "name": "vm",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": f"^{UUID}$"},
    "description": "The VM's UUID.",
}
_INSTANT = {
    "anyOf": [
        {"type": "number", "minimum": 0, "maximum": LATEST},
        {"type": "string", "format": "date-time"},
    ]
}
_STEP = {
    "anyOf": [
        {"type": "number", "minimum": 0.001},
        {"type": "string", "pattern": "^[0-9]{1,9}[smhdw]$"},
    ]
}
_LIMIT = {"type": "integer", "minimum": 1, "maximum": types.MOST_VMS}
_CURSOR = {"type": "string", "pattern": f"^{types.CURSOR}$"}
_UUID = {"type": "string", "pattern": f"^{UUID}$"}
_MONTH = {"type": "string", "pattern": f"^{MONTH}$"}
_POSITION = {"type": "string", "pattern": f"^{FORM}$"}
_RECORDS = {"type": "integer", "minimum": 1, "maximum": MOST_RECORDS}
_METRIC = {"enum": sorted(row.name for row in OF_TENANTS)}
_REFUSALS = {
    "400": "The request is not understood.",
    "401": "The token is missing or not valid.",
    "403": "The token or the plan does not include this.",
    "404": "There is no such VM, for this tenant.",
    "405": "The path is not answered with this method; Allow names those that are.",
    "413": "The body is too long.",
    "422": "The store cannot answer this.",
    "429": "A limit of the tenant is reached; Retry-After says for how long.",
    "503": "The store or the accounts cannot be reached.",
}


def openapi() -> dict[str, Any]:
    """Return the document, OpenAPI 3.1."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "hostcollector gateway",
            "version": __version__,
            "description": "Metrics of your virtual machines, seen from outside of them.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"bearer": []}],
        "paths": {
            "/api/v1/vms": _get(
                "List your VMs.",
                types.VmList,
                _query("limit", "How many VMs.", _LIMIT),
                _query("cursor", "The `next` of the page before.", _CURSOR),
            ),
            "/api/v1/vms/{vm}": _get("One VM.", types.Vm, _VM),
            "/api/v1/vms/{vm}/series": _get(
                "A metric of a VM over time, as JSON or CSV.",
                types.SeriesAnswer,
                _VM,
                _query("metric", "The metric's name.", _METRIC, required=True),
                _query("start", "Unix seconds or RFC 3339; an hour before the end by default.", _INSTANT),
                _query("end", "Unix seconds or RFC 3339; now by default.", _INSTANT),
                _query("step", "Seconds, or a duration such as 5m; your plan's finest by default.", _STEP),
                _query(
                    "rate",
                    "true for increases in a second; so by default for counters.",
                    {"type": "boolean"},
                ),
                _query("format", "The form of the answer.", {"enum": ["json", "csv"]}),
                text={"text/csv": {"schema": {"type": "string"}}},
            ),
            "/api/v1/metrics": _get("The metrics that your plan includes.", types.MetricList),
            "/api/v1/usage": _get(
                "What you used in a month.",
                types.UsageAnswer,
                _query("month", "A month (UTC); the present one by default.", _MONTH),
                _query("by", "What amounts are of; month by default.", {"enum": list(By)}),
                _query("vm", "One VM only: its UUID.", _UUID),
            ),
            "/api/v1/usage/records": _get(
                "The records that usage is made of, as JSON, CSV or CloudEvents.",
                types.UsageRecordPage,
                _query("month", "A month (UTC); the present one by default.", _MONTH),
                _query("vm", "One VM only: its UUID.", _UUID),
                _query("cursor", "The `cursor` of the page before.", _POSITION),
                _query("limit", "How many records.", _RECORDS),
                _query("format", "CSV and CloudEvents have the cursor in a header.", {"enum": list(Format)}),
                text={
                    "text/csv": {"schema": {"type": "string"}},
                    "application/x-ndjson": {"schema": {"type": "string"}},
                },
            ),
        },
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                each.__name__: _schema(each)
                for each in vars(types).values()
                if isinstance(each, type) and is_dataclass(each)
            },
        },
    }


def _get(
    summary: str, answer: type, *parameters: Mapping[str, Any], text: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    problem = {"application/problem+json": {"schema": _reference(types.Problem)}}
    return {
        "get": {
            "summary": summary,
            "parameters": list(parameters),
            "responses": {
                "200": {
                    "description": "The data.",
                    "content": {"application/json": {"schema": _reference(answer)}, **(text or {})},
                },
                **{status: {"description": text, "content": problem} for status, text in _REFUSALS.items()},
            },
        }
    }


def _query(name: str, text: str, schema: Mapping[str, Any], *, required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": required, "description": text, "schema": schema}


def _reference(each: type) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{each.__name__}"}


def _schema(each: type) -> dict[str, Any]:
    hints, meanings = get_type_hints(each), dict(_meanings(each))
    return {
        "type": "object",
        "description": inspect.getdoc(each),
        "properties": {
            field.name: {**_type(hints[field.name]), "description": meanings[field.name]}
            for field in fields(each)
        },
        "required": [field.name for field in fields(each) if field.default is MISSING],
    }


def _type(hint: Any) -> dict[str, Any]:
    if get_origin(hint) is UnionType:
        (inner,) = [each for each in get_args(hint) if each is not NoneType]
        return {"type": [_SIMPLE[inner], "null"]}
    if get_origin(hint) is list:
        return {"type": "array", "items": _type(get_args(hint)[0])}
    if get_origin(hint) is dict:
        return {"type": "object", "additionalProperties": _type(get_args(hint)[1])}
    return _reference(hint) if is_dataclass(hint) and isinstance(hint, type) else {"type": _SIMPLE[hint]}


def _meanings(each: type) -> Iterator[tuple[str, str]]:
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(each))).body
    for line, text in pairwise(tree.body if isinstance(tree, ast.ClassDef) else []):
        match line, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(meaning))):
                yield name, " ".join(meaning.split())
