"""Interviews, transcripts, and how they are asked and read."""

from simbench.interview.elicitation import (
    FORMS,
    Message,
    Reading,
    answer_text,
    json_schema,
    line_cue,
    messages,
    read,
    read_answer,
    read_option,
    transcript_messages,
    unbounded,
    wanted,
)
from simbench.interview.interview import Interview, Transcript
from simbench.interview.script import Script, Style

__all__ = [
    "FORMS",
    "Interview",
    "Message",
    "Reading",
    "Script",
    "Style",
    "Transcript",
    "answer_text",
    "json_schema",
    "line_cue",
    "messages",
    "read",
    "read_answer",
    "read_option",
    "transcript_messages",
    "unbounded",
    "wanted",
]
