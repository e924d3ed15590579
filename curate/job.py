"""Job files: TOML sections -> calls of verbs.

    # curate run jobs/gsm8k.toml
    [dataset]
    path = "runs/gsm8k"
    [verify]
    verifier = "gsm8k"
    [reweight.unlikely]          # a named section is a variant of that name
    recipe = "unlikely_grpo"
    beta_rank = 0.25             # keys that are no option of the verb are parameters of the recipe
    [reweight.mine]              # or one composed of pieces, their parameters in tables of their own
    gate = "mixed"
    shape = ["unlikeliness", "overlong"]
    estimator = "rloo"
    [reweight.mine.unlikeliness]
    beta_rank = 0.25

``rounds = N`` above the sections repeats sample .. train (curate/rounds.py). No inheritance, no interpolation; paths are relative to the working directory; unknown keys are errors.
"""

from __future__ import annotations

import inspect
import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError, create_model

from curate.errors import ConfigError, did_you_mean
from curate.rounds import ONCE, Step, round_name, unroll
from curate.verbs import VERBS
from curate.verbs.checks import CHECKS

DATASET_OPTIONS = ("dataset", "to")
NUMBER_TOML_REFUSES = re.compile(r"[+-]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")  # .25 and 1.


def read_job(path: Path, settings: list[str]) -> dict[str, Any]:
    """Return the job's sections with ``SECTION.KEY=VALUE`` settings applied; raises ConfigError."""
    try:
        job = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"there is no job file {path}") from None
    except (ValueError, RecursionError, IsADirectoryError) as error:  # TOML, UTF-8, endless digits: all ValueErrors
        raise ConfigError(f"{path} is no TOML file: {error}") from error
    for setting in settings:
        _apply(job, setting, path)
    return job


def _apply(job: dict[str, Any], setting: str, path: Path) -> None:
    name, value = split_setting(setting)
    *sections, key = name.split(".")
    place = job
    for section in sections:
        if not isinstance(place.get(section), dict):
            raise ConfigError(f"--set {setting}: {path} has no section [{'.'.join(sections)}]")
        place = place[section]
    if not sections and key != "rounds":
        raise ConfigError(f"--set {setting}: name the section too, as in --set import.path=FILE")
    place[key] = value


def split_setting(setting: str) -> tuple[str, Any]:
    """Return name and value of ``NAME=VALUE``; the value is read as TOML, and is text where it is none."""
    name, equals, text = setting.partition("=")
    if not equals or not name.strip():
        raise ConfigError(f"--set {setting}: write it as NAME=VALUE")
    try:
        return name.strip(), tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        is_number = len(text) < 100 and NUMBER_TOML_REFUSES.fullmatch(text.strip())
        return name.strip(), float(text) if is_number else text


def steps(path: Path, job: dict[str, Any]) -> list[Step]:
    """Return the job's steps, every section checked before anything runs.

    They come dataset by dataset, each in pipeline order; a section may name another dataset than the job's.
    """
    known = ["dataset", *(name for name in VERBS if name not in ("demo", "run"))]
    n_rounds = _n_rounds(path, job)
    for section in (name for name in job if name != "rounds"):
        if section not in known:
            hint = did_you_mean(section, known)
            raise ConfigError(f"{path}: unknown section [{section}]{hint}; known: {', '.join(known)}")
    folder = _folder(path, job.get("dataset"))
    found = [
        Step(title, name, verb, _arguments(f"{path} [{title}]", verb, values, folder))
        for name, verb in VERBS.items()
        for title, values in _sections(path, name, job.get(name))
    ]
    found.sort(key=_place)
    trained = _trained(found, n_rounds)
    for step in found:
        _check(f"{path} [{step.title}]", step.name, _as_if_trained(step.arguments, trained))
    try:
        return unroll(found, n_rounds, Path(folder)) if n_rounds else _dataset_by_dataset(found)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _place(step: Step) -> float:
    """Return the place of a step in the pipeline: its verb's, but a self-test of the answers comes before sampling."""
    places = list(VERBS)
    is_self_test = step.name == "verify" and step.arguments["self_test"]
    return places.index("sample") - 0.5 if is_self_test else places.index(step.name)


def _dataset_by_dataset(steps: list[Step]) -> list[Step]:
    """Put all steps of one dataset before those of the next: it may sample from what the first one trained.

    Datasets come in the order of their first sections, steps that belong to none (evaluate, report) at the end.
    """
    folders = [_dataset_of(step) for step in steps]
    order: dict[Path | None, int] = {folder: place for place, folder in enumerate(dict.fromkeys(folders))}
    return sorted(steps, key=lambda step: order[_dataset_of(step)] if _dataset_of(step) else len(order))


def _dataset_of(step: Step) -> Path | None:
    named = (step.arguments.get(option) for option in DATASET_OPTIONS if step.name not in ONCE)
    return next((Path(folder) for folder in named if folder is not None), None)


def _n_rounds(path: Path, job: dict[str, Any]) -> int | None:
    n_rounds = job.get("rounds")
    if n_rounds is None or (type(n_rounds) is int and 1 <= n_rounds <= 10_000):
        return n_rounds
    raise ConfigError(f"{path}: rounds is {n_rounds!r}: give how often sample .. train is repeated, 1 to 10,000")


def _trained(found: list[Step], n_rounds: int | None) -> dict[Path, Path]:
    """Return what every checkpoint that the job is going to make is trained from, over the trainings between."""
    trained: dict[Path, Path] = {}
    for step in (step for step in found if step.name == "train"):
        out, start = step.arguments["out"], trained.get(step.arguments["model"], step.arguments["model"])
        outs = [out] if n_rounds is None else [out / round_name(number) for number in range(1, n_rounds + 1)]
        trained |= dict.fromkeys(outs, start)
    return trained


def _as_if_trained(arguments: dict[str, Any], trained: dict[Path, Path]) -> dict[str, Any]:
    """Put the model that training starts from for a checkpoint that this job is going to make.

    With ``server`` a model is a name, not a folder.
    """
    folders = () if arguments.get("server") else ("model", "local")
    return {
        key: trained.get(Path(value), value) if key in folders and value is not None else value
        for key, value in arguments.items()
    }


def _folder(path: Path, section: Any) -> str:
    folder = section.get("path") if isinstance(section, dict) else None
    if not isinstance(folder, str):
        raise ConfigError(f"{path}: section [dataset] must give path, the folder of the dataset")
    for key in section:
        if key != "path":
            raise ConfigError(f"{path} [dataset]: unknown key {key}{did_you_mean(key, ['path'])}; known: path")
    return folder


def _check(where: str, name: str, arguments: dict[str, Any]) -> None:
    """Raise ConfigError where the verb would refuse its arguments when its turn comes, maybe hours from now."""
    if name not in CHECKS:
        return
    try:
        CHECKS[name](**arguments)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def _sections(path: Path, name: str, section: Any) -> list[tuple[str, dict[str, Any]]]:
    if section is None:
        return []
    if not isinstance(section, dict):
        raise ConfigError(f"{path}: {name} must be a section, [{name}]")
    if section and all(isinstance(value, dict) for value in section.values()):
        takes_name = "as_" in inspect.signature(VERBS[name]).parameters
        return [(f"{name}.{n}", {**({"as": n} if takes_name else {}), **value}) for n, value in section.items()]
    return [(name, section)]


def _arguments(where: str, verb: Callable[..., Any], section: dict[str, Any], folder: str) -> dict[str, Any]:
    parameters = inspect.signature(verb).parameters
    hints = get_type_hints(verb, include_extras=True)
    names = {parameter.rstrip("_"): parameter for parameter in parameters}
    given = {option: folder for option in DATASET_OPTIONS if _is_required(parameters.get(option))} | section
    if "set_" in parameters:
        settings = {key: value for key, value in given.items() if key not in names}
        missing = [
            name for name, parameter in names.items() if name not in given and _is_required(parameters[parameter])
        ]
        _refuse_typos(where, settings, missing, list(names))
        extra = _dotted(settings)
        given = {key: value for key, value in given.items() if key in names} | {"set": extra}
    fields = {  # a trailing "_" keeps names such as json apart from pydantic's own methods
        f"{name}_": (_field_type(hints[parameter]), Field(_default(parameters[parameter]), alias=name))
        for name, parameter in names.items()
    }
    model: Any = create_model("Section", __config__=ConfigDict(extra="forbid", coerce_numbers_to_str=True), **fields)  # type: ignore[call-overload]
    try:
        checked = model(**given)
    except ValidationError as error:
        problems = "; ".join(_problem(detail, list(names)) for detail in error.errors())
        raise ConfigError(f"{where}: {problems}") from None
    return {parameter: getattr(checked, f"{name}_") for name, parameter in names.items()}


def _refuse_typos(where: str, settings: dict[str, Any], missing: list[str], names: list[str]) -> None:
    """Raise ConfigError where a setting is all but the name of an option that has to be given."""
    for key in settings:
        if hint := did_you_mean(key, missing):
            raise ConfigError(f"{where}: unknown key {key}{hint}; known: {', '.join(names)}, and settings")


def _dotted(values: dict[str, Any], prefix: str = "") -> list[str]:
    """Return ``KEY=VALUE`` settings, ``TABLE.KEY=VALUE`` for those of a table."""
    settings: list[str] = []
    for key, value in values.items():
        if isinstance(value, dict):
            settings += _dotted(value, f"{prefix}{key}.")
        else:
            settings.append(f"{prefix}{key}={json.dumps(value, ensure_ascii=False, default=str)}")
    return settings


def _is_required(parameter: inspect.Parameter | None) -> bool:
    return parameter is not None and parameter.default is inspect.Parameter.empty


def _default(parameter: inspect.Parameter) -> Any:
    return ... if parameter.default is inspect.Parameter.empty else parameter.default


def _field_type(hint: Any) -> Any:
    """Return the type of a job key, with the option's bounds; one value may stand for a list of one."""
    plain, *about = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    for option in about:
        if option.min is not None or option.max is not None:
            return Annotated[plain, Field(ge=option.min, le=option.max, allow_inf_nan=False)]
    is_list = get_origin(plain) is list or any(get_origin(option) is list for option in get_args(plain))
    wrap = BeforeValidator(lambda value: value if value is None or isinstance(value, list) else [value])
    return Annotated[plain, wrap] if is_list else plain


def _problem(detail: Any, names: list[str]) -> str:
    key = ".".join(str(place) for place in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"unknown key {key}{did_you_mean(key, names)}; known: {', '.join(names)}"
    if detail["type"] == "missing":
        return f"{key} is missing"
    return f"{key}: {detail['msg']}, got {detail['input']!r}"
