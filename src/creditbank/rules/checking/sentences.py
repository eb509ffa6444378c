"""The sentences of what publishing finds, beside those of ``faults`` (rules/v1 section 15)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SENTENCES: Final[Mapping[str, tuple[str, str, str]]] = {
    "clash": (
        "E2",
        "The rules {rule} and {other} have one priority, take the same achievement and come to different outcomes.",
        "规则 {rule} 与 {other} 优先级相同，会匹配同一成果，但结果不同。",
    ),
    "shadowed": (
        "E3",
        "The rule {rule} never applies: {other} stands before it and takes whatever it matches.",
        "规则 {rule} 永远不会生效：其前的 {other} 已匹配它的全部成果。",
    ),
    "reaches_outside": (
        "E4",
        "The exception {rule} reaches outside its base {other}.",
        "例外规则 {rule} 超出了其基础规则 {other} 的范围。",
    ),
    "table_lacks": (
        "E5",
        "The table {table} has no entry for {values}, which {key} may be.",
        "对照表 {table} 缺少 {key} 可能的取值：{values}。",
    ),
    "conversion_lacks": (
        "E5",
        "The conversion {conversion} has no entry for {values} of the scale {scale}.",
        "成绩换算 {conversion} 缺少等级制 {scale} 的 {values}。",
    ),
    "overlapping_versions": (
        "E7",
        "Version {version} of {id} governs days that version {other} governs too.",
        "{id} 的第 {version} 版与第 {other} 版的有效期重叠。",
    ),
    "unfillable": (
        "E10",
        "No grant can fill the requirement {id}.",
        "没有任何授予的学分能够满足要求 {id}。",
    ),
    "needs_above_total": (
        "E10",
        "The requirements need {needs} credits, more than the total of {total}.",
        "各项要求共需 {needs} 学分，超过总学分 {total}。",
    ),
    "too_few_parts": (
        "E10",
        "{n} of {parts} requirements cannot be asked for.",
        "{parts} 项要求中无法满足 {n} 项。",
    ),
    "cap_below_need": (
        "E10",
        "The cap {cap} lets {most} credits count, but {id} needs {needs} of them.",
        "上限 {cap} 只允许计入 {most} 学分，而 {id} 需要其中的 {needs} 学分。",
    ),
    "caps_below_total": (
        "E10",
        "The caps {caps} let {most} credits count, fewer than the total of {total}.",
        "上限 {caps} 合计只允许计入 {most} 学分，少于总学分 {total}。",
    ),
    "gap_between_bands": (
        "W1",
        "Between the grades of {rule} and {other} lies a gap: {gap} on {scale} is taken by neither.",
        "规则 {rule} 与 {other} 的成绩段之间有空缺：{scale} 上的 {gap} 未被覆盖。",
    ),
    "duplicate_rule": (
        "W2",
        "The rules {rule} and {other} take the same achievement and come to the same outcome.",
        "规则 {rule} 与 {other} 会匹配同一成果且结果相同，可能重复。",
    ),
    "cannot_bind": (
        "W3",
        "{id} can never bind: no grant gives what it counts.",
        "{id} 永远不会起作用：没有任何授予属于其计算范围。",
    ),
    "cap_cannot_bind": (
        "W3",
        "The cap {id} can never bind: it allows {most} of {total} credits.",
        "上限 {id} 永远不会起作用：它允许 {most} 学分，而总学分为 {total}。",
    ),
    "implied": (
        "W3",
        "{id} never binds before {other}, which allows no more of it.",
        "{id} 不会先于 {other} 起作用：后者的限制不比它宽。",
    ),
    "limits_cross": (
        "W4",
        "The limits {id} and {other} cross: neither lies inside the other, so room can be wasted.",
        "限额 {id} 与 {other} 交叉：互不包含，可能浪费额度。",
    ),
    "unsplit_inside": (
        "W4",
        "The limit {id} with split: false lies inside {other}, so room can be wasted.",
        "限额 {id}（split: false）位于限额 {other} 之内，可能浪费额度。",
    ),
    "validity_short": (
        "W5",
        "Credits expire after {validity}, but the limits make {id} take longer.",
        "学分在 {validity} 后失效，但按限额完成 {id} 需要更长时间。",
    ),
    "validity_below_right": (
        "W5",
        "Credits expire after {validity}, before the catalogue right of {id} ends ({right}).",
        "学分在 {validity} 后失效，早于 {id} 的目录权利期限（{right}）。",
    ),
    "right_short": (
        "W5",
        "The catalogue right of {right} ends before the limits let anybody complete {id}.",
        "目录权利期限 {right} 早于按限额完成 {id} 所需的时间。",
    ),
    "grants_more": (
        "W6",
        "The rule {rule} grants more than it receives: its grants come to {parts}.",
        "规则 {rule} 授予的多于其收到的：各项授予合计为 {parts}。",
    ),
    "blanket_and_real": (
        "W7",
        "The rule {rule} grants blanket credit and {other} a real unit at one priority, for the same achievement.",
        "规则 {rule} 授予统括学分，{other} 授予具体课程，两者优先级相同且匹配同一成果。",
    ),
    "untested": (
        "W8",
        "No test exercises {id}.",
        "没有测试覆盖 {id}。",
    ),
    "undecided": (
        "W9",
        "Whether {rule} and {other} take the same achievement hangs on a where that cannot be decided.",
        "规则 {rule} 与 {other} 是否匹配同一成果取决于无法判定的 where 条件。",
    ),
    "exception_undecided": (
        "W9",
        "Whether the exception {rule} lies inside its base {other} cannot be decided.",
        "无法判定例外规则 {rule} 是否位于其基础规则 {other} 之内。",
    ),
    "not_compared": (
        "W9",
        "There are too many rules that may overlap to compare them all.",
        "可能重叠的规则过多，未能全部比较。",
    ),
}
"""By reason: the class and the sentence in English and Chinese."""
