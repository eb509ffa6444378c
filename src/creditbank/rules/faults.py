"""What can be wrong with a rule document, and the sentences that say so (rules/v1 sections 2 and 15)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final


def pointer_to(path: Sequence[str | int]) -> str:
    """The JSON Pointer of a place (RFC 6901)."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)


@dataclass(frozen=True, slots=True)
class DocumentFault:
    """One thing wrong at one place.

    ``document`` counts the documents of the text from 0, ``pointer`` is a JSON Pointer into that document, ``line``
    counts from 1 and is None for JSON. ``code`` is the error class of section 15 (``E0``), ``reason`` says which of its
    cases, ``message`` gives the sentence by language (``en``, ``zh``).
    """

    document: int
    pointer: str
    line: int | None
    code: str
    reason: str
    message: Mapping[str, str]


class DocumentRefused(Exception):
    """The text holds no documents of rules/v1 that could be published; ``faults`` says where and why, never empty."""

    def __init__(self, faults: Sequence[DocumentFault]) -> None:
        super().__init__(
            "; ".join(f"{f.code} {f.reason} at {f.pointer or 'the top'}: {f.message['en']}" for f in faults[:5])
        )
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault before its sentence and line are known; ``terms`` fill the sentence."""

    path: tuple[str | int, ...]
    reason: str
    terms: Mapping[str, object]

    @property
    def pointer(self) -> str:
        """The JSON Pointer of the place (RFC 6901)."""
        return pointer_to(self.path)

    def as_fault(self, document: int, line: int | None) -> DocumentFault:
        """The fault with its sentences."""
        code, english, chinese = SENTENCES[self.reason]
        message = {"en": english.format_map(self.terms), "zh": chinese.format_map(self.terms)}
        return DocumentFault(document, self.pointer, line, code, self.reason, message)


SENTENCES: Final[Mapping[str, tuple[str, str, str]]] = {
    "too_large": ("E0", "The text is larger than 32 MB.", "文本超过 32 MB。"),
    "not_utf8": ("E0", "The text is not UTF-8.", "文本不是 UTF-8 编码。"),
    "syntax": ("E0", "This cannot be read: {problem}.", "无法读取：{problem}。"),
    "no_document": ("E0", "There is no document in the text.", "文本中没有文档。"),
    "too_deep": ("E0", "Nested deeper than 8 levels.", "嵌套超过 8 层。"),
    "duplicate_key": ("E0", "The key {key} is given twice.", "键 {key} 出现了两次。"),
    "key_type": ("E0", "A key must be a text: write {key} in quotes.", "键必须是文本：请给 {key} 加引号。"),
    "alias": ("E0", "Aliases are not allowed: write the value out.", "不允许使用别名：请写出完整的值。"),
    "tag": ("E0", "The tag {tag} is not allowed.", "不允许使用标签 {tag}。"),
    "null": ("E0", "Empty value: leave the key out instead.", "值为空：请删去该键。"),
    "float": (
        "E0",
        'Numbers with decimals stand in quotes, so that they stay exact: "{text}".',
        "带小数的数字须加引号以保持精确：“{text}”。",
    ),
    "ambiguous": (
        "E0",
        'What {text} means depends on the reader: write "{text}" in quotes, or true or false, or a plain number.',
        "{text} 的含义因解析器而异：请加引号写成“{text}”，或写 true、false 或普通整数。",
    ),
    "control_character": ("E0", "The text holds a character that cannot be stored.", "文本含有无法存储的字符。"),
    "unknown_key": ("E0", "Unknown key {key}.", "未知的键 {key}。"),
    "missing": ("E0", "{key} is required.", "缺少必填项 {key}。"),
    "wrong_type": ("E0", "Wrong type: {wanted} is wanted.", "类型错误：应为{wanted_zh}。"),
    "wrong_form": ("E0", "Wrong form: it must match {form}.", "格式错误：应符合 {form}。"),
    "not_one_of": ("E0", "It must be one of {choices}.", "只能是以下之一：{choices}。"),
    "out_of_range": ("E0", "It must be {range}.", "取值范围应为 {range}。"),
    "not_a_number": (
        "E0",
        'It must be an integer or a quoted number such as "1.5" or "2/3", of at most 1,000,000,000.',
        "必须是整数，或加引号的数字，如“1.5”、“2/3”，且不超过 1,000,000,000。",
    ),
    "not_a_date": ("E0", "It must be a date such as 2024-03-01.", "必须是日期，如 2024-03-01。"),
    "empty": ("E0", "It must not be empty.", "不能为空。"),
    "alternatives": ("E0", "Exactly one of {choices} must be given.", "必须且只能给出以下之一：{choices}。"),
    "empty_range": (
        "E0",
        "The range needs min or below, and below must be greater than min.",
        "范围须给出 min 或 below，且 below 必须大于 min。",
    ),
    "empty_interval": ("E0", "until must be after from.", "until 必须晚于 from。"),
    "duplicate_id": ("E0", "The id {id} is used twice in this list.", "编号 {id} 在此列表中重复。"),
    "grants_missing": ("E0", "A granting rule needs a grant.", "授予学分的规则必须有 grant。"),
    "wrong_outcome": (
        "E0",
        "Write credits, deny, review or none first; then the excess, if any; then fragments of the explanation.",
        "首项写学分、deny、review 或 none；其后可写超出部分；再后是解释文字的片段。",
    ),
    "not_ascending": ("E0", "These must ascend, each once.", "须按升序排列且不得重复。"),
    "no_such_day": (
        "E0",
        "There is no such day in every year: 02-29 and days past a month's end cannot start a period.",
        "并非每年都有这一天：02-29 或超出月末的日期不能作为起始日。",
    ),
    "grade_twice": ("E0", "A grade is given twice.", "同一成绩出现了两次。"),
    "wrong_value": (
        "E0",
        "A text, a whole number, true or false, or a date is wanted; a list only with in, not_in and under.",
        "应为文本、整数、true 或 false、日期；仅 in、not_in、under 可用列表。",
    ),
    "missing_value": ("E0", "This operator needs a value.", "此运算符需要 value。"),
    "n_too_large": ("E0", "{n} of {parts} parts cannot be bound.", "{parts} 个部分中无法取 {n} 个。"),
    "table_and_key": ("E0", "A table needs a key, and a key a table.", "table 与 key 必须同时给出。"),
    "grants_of_nothing": ("E0", "A rule with effect {effect} grants nothing.", "效果为 {effect} 的规则不得含 grant。"),
    "condition_and_effect": (
        "E0",
        "A condition stands exactly with effect: conditional.",
        "condition 必须且只能与 effect: conditional 同时给出。",
    ),
    "one_at_least": ("E0", "At least one of {choices} must be given.", "至少须给出以下之一：{choices}。"),
    "outside_version": (
        "E0",
        "The day lies outside the days of this version.",
        "该日期不在本版本的有效期内。",
    ),
    "too_many_slots": ("E0", "A match has at most {most} slots.", "一个 match 最多包含 {most} 个槽位。"),
    "pool_of_what": (
        "E0",
        "Hours are pooled only by a rule on single achievements, outside groups, with per_hour or bands.",
        "只有针对单个成果、不在规则组内、且使用 per_hour 或 bands 的规则才能汇总学时。",
    ),
    "legal_basis_missing": (
        "E0",
        "A retroactive version names its legal_basis in the header.",
        "追溯生效的版本须在文件头注明 legal_basis。",
    ),
    "unknown_version": ("E1", "The version {name} is not known.", "未知的版本 {name}。"),
    "redefined": (
        "E1",
        "{name} is defined in a layer above already.",
        "{name} 已在上层文件中定义。",
    ),
    "unit_differs": (
        "E1",
        "The unit {own} is not that of the layer above, {base}.",
        "单位 {own} 与上层文件的单位 {base} 不同。",
    ),
    "not_hundred": ("E5", "The percentages sum to {total}, not to 100.", "百分比合计为 {total}，应为 100。"),
    "extends_cycle": ("E6", "The documents extend each other in a circle: {chain}.", "文件循环引用：{chain}。"),
    "layer_above": (
        "E6",
        "A document of layer {own} cannot extend one of layer {base}: it must lie below it.",
        "{own} 层的文件不能扩展 {base} 层的文件：必须位于其下层。",
    ),
    "exception_cycle": ("E6", "The exceptions go in a circle: {chain}.", "例外规则循环引用：{chain}。"),
    "stacking_cycle": ("E6", "The programme {id} stacks into itself.", "项目 {id} 循环叠加到自身。"),
    "conversion_gains": (
        "E6",
        "Converting from {from} to {to} and back gains credits.",
        "从 {from} 换算到 {to} 再换回会凭空增加学分。",
    ),
    "unknown_reference": ("E1", "There is no {kind} named {name}.", "不存在名为 {name} 的{kind_zh}。"),
    "same_version": ("E7", "Version {version} of {id} is given twice.", "{id} 的第 {version} 版出现了两次。"),
    "falling_bands": (
        "E8",
        "Bands ascend: each begins after the one before and gives no less.",
        "分段须递增：每段的起点须大于前一段，学分不得减少。",
    ),
    "step_too_fine": ("E8", "The step must be a multiple of 0.001.", "步长必须是 0.001 的整数倍。"),
    "not_positive": ("E8", "It must be greater than 0.", "必须大于 0。"),
    "off_step": ("E8", "{value} is not a multiple of the step {step}.", "{value} 不是步长 {step} 的整数倍。"),
    "round_none": (
        "E8",
        "round: none needs a value that is already exact: fixed, table or bands.",
        "round: none 只能与本身精确的值（fixed、table、bands）一起使用。",
    ),
    "unknown_fact": ("E9", "No achievement of this kind has the fact {fact}.", "此类成果没有名为 {fact} 的事实。"),
    "operator_lacking": (
        "E9",
        "The fact {fact} is a {type}, which has no operator {op}.",
        "事实 {fact} 的类型为 {type}，不支持运算符 {op}。",
    ),
    "value_of_another_type": (
        "E9",
        "The fact {fact} is a {type}, and {value} is not.",
        "事实 {fact} 的类型为 {type}，而 {value} 不是。",
    ),
}
"""By reason: the error class and the sentence in English and Chinese."""
