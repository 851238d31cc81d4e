"""The module of ST's package that scripts import errors and tensor descriptions from. Names only."""

from ai_runner.driver import AiRunnerCallback
from ai_runner.errors import (
    AiRunnerError,
    HwIOError,
    InvalidModelError,
    InvalidMsgError,
    InvalidParamError,
    NotConnectedError,
    NotInitializedMsgError,
)
from ai_runner.inputs import generate_rnd
from ai_runner.interpreter import AiRunnerInterpreter
from ai_runner.model import Caps, Mode
from ai_runner.runner import AiRunner
from ai_runner.session import AiRunnerSession
from ai_runner.tensor_desc import AiTensorDesc, AiTensorType

__all__ = [
    "AiRunner",
    "AiRunnerCallback",
    "AiRunnerError",
    "AiRunnerInterpreter",
    "AiRunnerSession",
    "AiTensorDesc",
    "AiTensorType",
    "Caps",
    "HwIOError",
    "InvalidModelError",
    "InvalidMsgError",
    "InvalidParamError",
    "Mode",
    "NotConnectedError",
    "NotInitializedMsgError",
    "generate_rnd",
]
