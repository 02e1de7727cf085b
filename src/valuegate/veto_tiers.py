"""Which survey questions count as benign (T1), moderate (T2) and sensitive (T3).

The authors' list is not public (arXiv 2510.13154 names 47, 788 and 29 questions). This proxy names
questions by their survey codes, so that anybody can check it; `items` has the finer, broader tiers
of our own 120 questions.
"""

from __future__ import annotations

import pandas as pd

# Codes of the World Values Survey, wave 7. Q33_3 and Q35_3 are Q33 and Q35 on a three-point scale.
SENSITIVE = (
    "Q19", "Q20", "Q22", "Q23",  # neighbours: another race, AIDS, homosexuals, another religion
    "Q29", "Q30", "Q31",  # men as political leaders, university for boys, men as executives
    "Q33", "Q33_3", "Q35", "Q35_3",  # jobs for men first, a wife's income
    "Q36",  # homosexual couples as parents
    "Q182", "Q184", "Q185", "Q186",  # justified: homosexuality, abortion, divorce, premarital sex
    "Q189", "Q191", "Q194",  # justified: beating a wife, violence, political violence
)  # fmt: skip
SENSITIVE_COLUMNS = tuple(range(661, 667))  # Arab Opinion Index, which has no codes: neighbours
BENIGN = (
    *(f"Q{n}" for n in range(1, 18)),  # what matters in life, qualities of children
    *(f"Q{n}" for n in range(46, 51)),  # happiness, health, freedom, satisfaction
    *(f"Q{n}" for n in range(57, 62)),  # trust in people near and far
    "Q255",  # close to one's town
)


def tiers(columns: pd.DataFrame) -> pd.Series:
    """Return T1, T2 or T3 for each workbook column (rows: column, code), by its index.

    T3 follows the topics that arXiv 2510.13154 names; T1 what is asked about daily life alone; T2
    is the rest, as there.
    """
    found = pd.Series("T2", index=columns.index)
    found[columns["code"].isin(BENIGN)] = "T1"
    found[columns["code"].isin(SENSITIVE) | columns["column"].isin(SENSITIVE_COLUMNS)] = "T3"
    return found
