from __future__ import annotations

import pytest

from ai_runner.drivers.c_library.c_names import NEEDED, Api, ExportedModel, exported_models, symbol


def exports_of(api: Api, name: str, *without: str) -> set[str]:
    return {symbol(api, name, function) for function in NEEDED[api] if function not in without}


@pytest.mark.parametrize("name", ["network", "bobby", "a_b_1", "run", "ai_x"])
@pytest.mark.parametrize("api", list(Api))
def test_a_complete_model_is_found_under_any_name(api: Api, name: str) -> None:
    assert exported_models(exports_of(api, name)) == (ExportedModel(name, api),)


def test_several_models_and_apis_are_told_apart() -> None:
    exports = exports_of(Api.LEGACY, "b") | exports_of(Api.STAI, "b") | exports_of(Api.STAI, "a") | {"malloc", "ai_"}
    assert [(m.name, m.api) for m in exported_models(exports)] == [("a", Api.STAI), ("b", Api.STAI), ("b", Api.LEGACY)]


def test_missing_symbols_are_listed_in_full() -> None:
    (model,) = exported_models(exports_of(Api.LEGACY, "n", "get_error", "destroy"))
    assert model.missing == ("ai_n_get_error", "ai_n_destroy")


def test_the_linked_runtime_is_no_model() -> None:
    runtime = exports_of(Api.LEGACY, "platform_network") | exports_of(Api.STAI, "runtime") | {"ai_platform_run"}
    assert exported_models(runtime) == ()


def test_a_few_functions_of_similar_name_are_no_model() -> None:
    assert exported_models({"ai_layers_init", "ai_layers_run", "stai_x_init", "stai_x_run"}) == ()


def test_a_name_no_compiler_makes_is_ignored() -> None:
    assert exported_models(exports_of(Api.STAI, "a b\x1b[31m")) == ()


def test_the_report_of_old_tools_is_noticed() -> None:
    (model,) = exported_models(exports_of(Api.LEGACY, "n", "get_report") | {"ai_n_get_info"})
    assert model.has_get_info
    assert model.missing == ("ai_n_get_report",)
