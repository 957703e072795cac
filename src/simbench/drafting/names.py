"""What columns tend to be called: rules for their names, as patterns without regard to case."""

from __future__ import annotations

import re

__all__ = [
    "ARM",
    "ARM_LEVEL",
    "BEFORE",
    "BELIEF",
    "CLUSTER",
    "DECISION",
    "DERIVED",
    "FIXED",
    "OTHERS",
    "PERIOD",
    "PERSON",
    "PROFILE",
    "WEIGHT",
]

PERSON = re.compile(
    r"""(.*[._])?(pid|uid|id|sub(j(ect)?)?(_?(id|no|nr|unq))?|person|participant(_?id)?|resp(ondent)?(_?id)?
    |worker_?id|prolific_?(id|pid)|case_?id|code|responseid|identifier)
    """,
    re.IGNORECASE | re.VERBOSE,
)

OTHERS = re.compile(r"(^|_)(opp(onent)?|partner|other|group)(_|$)", re.IGNORECASE)
CLUSTER = re.compile(
    r"(.*[._])?(village|school|class(room)?|site|clinic|cluster|psu|session([._]code|_unq|_id)?|lab)", re.IGNORECASE
)
WEIGHT = re.compile(r"(p|survey_?)?w(eigh)?ts?(var)?|weight_\w+|\w+_weight", re.IGNORECASE)
ARM = re.compile(
    r"""(^|[_.])(treat(ment|ed)?|trt|arm|cond(ition)?|assign(ed|ment)?|rand(om(i[sz]ed)?)?|version|variant
    |fram(e|ing)|vignette|manip\w*|intervention|experimental_?\w*|prime|cue|wording|form)(_?\w{1,2})?$
    |^(treat(ment|ed)?|trt)_
    """,
    re.IGNORECASE | re.VERBOSE,
)

ARM_LEVEL = re.compile(r"control|ctrl|treat(ment|ed)?|placebo|baseline", re.IGNORECASE)
PERIOD = re.compile(r"(.*[._])?(round(_number)?|period(_f)?|trial(_no)?|wave|order|t_order|time)", re.IGNORECASE)
PROFILE = re.compile(
    r"""(^|[_.])(age|sex|gender|(fe)?male|educ\w*|degree|school\w*|income|race|ethnic\w*|white|black
    |nonwhite|hispanic|marital|married|relig\w*|party(id)?|pid[37]|polviews|ideolog\w*|country|region
    |state|urban|rural|occ(p|upation)?|employ\w*|household\w*|hh\w*|child\w*|kids|birth\w*|year|faculty
    |major|literacy|citizen\w*|language|lib_?cons)(_?\d{0,4})?$
    """,
    re.IGNORECASE | re.VERBOSE,
)

DECISION = re.compile(
    r"""(^|[_.])(take_?up\w*|chose\w*|choice|choose|action|decision|decid\w*|sent|send|return(ed)?
    |contrib\w*|buy|bought|purchas\w*|vote[ds]?|donat\w*|accept\w*|reject\w*|offer\w*|coop\w*|sign(ed)?
    |click\w*|mesg|resp(onse|onded)?|work\d?|y|invest\w*|give|gave)(_\w+)?$
    """,
    re.IGNORECASE | re.VERBOSE,
)

BELIEF = re.compile(
    r"""(^|[_.])(belie\w*|expect\w*|prob\w*|\w*_prob|likel\w*|think\w*|guess|estim\w*|perceiv\w*|p
    |risk_perc\w*|harm|confidence)(_\w+)?$
    """,
    re.IGNORECASE | re.VERBOSE,
)

FIXED = re.compile(r"(^|_)(sex|gender|(fe)?male|race|ethnic\w*)$", re.IGNORECASE)
BEFORE = re.compile(r"(pre|baseline|base|t0)_\w+", re.IGNORECASE)
DERIVED = re.compile(
    r"""(.*_)?(lag\d*|earning\w*|payoff|profit|pay|score|r2|comply|complied|response_time|rt|onset|duration
    |time_\w+|attention\w*)(_\w+)?
    """,
    re.IGNORECASE | re.VERBOSE,
)
