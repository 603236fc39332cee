"""Synthetic models of the size and stiffness of a cell-therapy model, for speed and accuracy only.

Every number here is invented (assumed) to give the spread of time scales that such models have, from minutes
(lung trapping, PGE2) to half a year (damage); none is a claim about biology.
"""

from __future__ import annotations

import numpy as np
import sympy
from numpy.typing import NDArray

from stroma.engine.ensemble import Doses, EnsembleProblem
from stroma.model.ode_model import OdeModel, symbol

CELLS = ("blood", "lung", "liver", "spleen", "kidney", "joint", "marrow", "primed", "dying", "debris")
CELL_RATES = {
    "blood": "k_lung_out*lung + 0.2*liver + 0.3*spleen"
             " - blood*(k_lung + k_liver + k_spleen + k_kidney + k_joint + k_marrow + k_die)",
    "lung": "k_lung*blood - lung*(k_lung_out + k_prime*drive + k_die)",
    "liver": "k_liver*blood - liver*(0.2 + k_die_liver)",
    "spleen": "k_spleen*blood - spleen*(0.3 + k_die_liver)",
    "kidney": "k_kidney*blood - kidney*k_die",
    "joint": "k_joint*blood*(1 + home*tnf/(tnf + h_home)) - joint*(k_prime*drive + k_die_joint)",
    "marrow": "k_marrow*blood - marrow*k_die_joint",
    "primed": "k_prime*drive*(lung + joint) - primed*k_tired",
    "dying": "k_die*(blood + lung + kidney) + k_die_liver*(liver + spleen) + k_tired*primed"
             " - k_engulf*dying*mac/(mac + h_mac)",
    "debris": "k_engulf*dying*mac/(mac + h_mac) - k_clear*debris",
}
IMMUNE_RATES = {
    "pge2": "500*(s_pge2*(Max(primed, 0)/h_cell)**n_pge2/(1 + (Max(primed, 0)/h_cell)**n_pge2) + 0.02 - pge2)",
    "tgfb": "200*(s_tgfb*debris/(debris + h_cell) + 0.05*treg - tgfb)",
    "tnf": "50*(s_tnf*mac*damage/(damage + h_damage)/(1 + pge2/h_pge2) + 0.01 - tnf)",
    "ifng": "30*(s_ifng*teff/(1 + tgfb/h_tgfb) + 0.01 - ifng)",
    "il6": "40*(s_il6*(mac + 0.3*tnf) - il6)",
    "il10": "24*(s_il10*(mac2 + treg) + 0.1*pge2/(pge2 + h_pge2) - il10)",
    "il17": "20*(s_il17*teff*il6**n_il6/(h_il6**n_il6 + il6**n_il6) - il17)",
    "mac": "r_mac*(1 + tnf)/(1 + il10/h_il10) - d_mac*mac - k_switch*mac*pge2/(pge2 + h_pge2)",
    "mac2": "k_switch*mac*pge2/(pge2 + h_pge2) - d_mac2*mac2",
    "teff": "r_teff*il6**n_il6/(h_il6**n_il6 + il6**n_il6)/(1 + (treg/h_treg)**n_treg) - d_teff*teff",
    "treg": "r_treg*(tgfb/(tgfb + h_tgfb)) *(1 + il10/(il10 + h_il10)) - d_treg*treg",
    "bcell": "r_b*(il6/(il6 + h_il6) + ifng/(ifng + h_ifng)) - d_b*bcell",
}
DISEASE_RATES = {
    "plasma": "0.02*bcell**n_b/(1 + bcell**n_b) - 0.01*plasma",
    "antibody": "0.2*plasma - 0.035*antibody",
    "complex": "0.8*antibody*(0.2 + debris/(debris + h_cell)) - 0.5*complex - 0.2*complex*mac2",
    "chemokine": "6*(tnf + il17 - chemokine)",
    "infiltrate": "0.4*chemokine/(chemokine + h_chemo) - 0.15*infiltrate",
    "matrix": "0.05*(1 - matrix) - k_degrade*matrix*infiltrate*(tnf/h_tnf)**n_tnf/(1 + (tnf/h_tnf)**n_tnf)",
    "damage": "k_hurt*(complex + infiltrate + 0.1*transit8) - k_heal*damage*(1 + repair)",
    "repair": "0.2*(tgfb/(tgfb + h_tgfb)) - 0.1*repair",
    "fibrosis": "0.01*tgfb*damage - 0.004*fibrosis",
    "symptom": "0.3*(damage + 0.5*il6/(il6 + h_il6) - symptom)",
}
VALUES = {
    "k_lung": 600.0, "k_lung_out": 3.0, "k_liver": 60.0, "k_spleen": 30.0, "k_kidney": 5.0, "k_joint": 2.0,
    "k_marrow": 2.0, "k_die": 0.9, "k_die_liver": 0.5, "k_die_joint": 0.25, "k_prime": 4.0, "k_tired": 0.5,
    "k_engulf": 3.0, "k_clear": 1.5, "h_mac": 0.5, "home": 2.0, "h_home": 0.3, "h_cell": 2e6, "h_pge2": 0.2,
    "h_tgfb": 0.1, "h_damage": 0.5, "h_il6": 0.6, "h_il10": 0.3, "h_treg": 0.5, "h_ifng": 0.2, "h_chemo": 0.5,
    "h_tnf": 0.3, "s_pge2": 1.0, "s_tgfb": 0.6, "s_tnf": 0.9, "s_ifng": 0.5, "s_il6": 0.5, "s_il10": 0.4,
    "s_il17": 0.5, "r_mac": 0.3, "d_mac": 0.3, "k_switch": 0.5, "d_mac2": 0.2, "r_teff": 0.3, "d_teff": 0.15,
    "r_treg": 0.1, "d_treg": 0.06, "r_b": 0.05, "d_b": 0.05, "k_degrade": 0.02, "k_hurt": 0.02,
    "k_heal": 0.004,
    "k_transit": 0.9, "k_drive": 0.4, "n_pge2": 1.6, "n_il6": 2.3, "n_treg": 1.4, "n_b": 1.7, "n_tnf": 1.9,
}
VARYING = (
    "k_lung", "k_lung_out", "k_liver", "k_joint", "k_die", "k_die_joint", "k_prime", "k_tired",
    "k_engulf", "k_clear", "s_pge2", "s_tgfb", "s_tnf", "s_ifng", "s_il6", "s_il10", "s_il17", "r_mac",
    "d_mac", "k_switch", "r_teff", "r_treg", "r_b", "k_hurt", "k_transit", "n_pge2", "n_il6", "n_treg",
    "n_b", "n_tnf",
)
START = {
    "mac": 1.0, "mac2": 0.2, "teff": 0.8, "treg": 0.5, "bcell": 1.0, "plasma": 0.8, "antibody": 3.0,
    "matrix": 0.7, "damage": 1.0, "symptom": 0.8, "tnf": 0.4, "il6": 0.5, "infiltrate": 0.5,
    "chemokine": 0.5,
}


def model(copies: int = 1) -> OdeModel:
    """Return a model of ``40 * copies`` states; copies are joined in a ring through their TNF and start differently."""
    states: list[str] = []
    rates: list[sympy.Expr] = []
    starts: list[sympy.Expr] = []
    assignments: list[tuple[str, sympy.Expr]] = []
    for copy in range(copies):
        local, neighbour = f"_{copy}", f"_{(copy + 1) % copies}"
        transit = {f"transit{i}": f"k_transit*({'damage' if i == 1 else f'transit{i - 1}'} - transit{i})"
                   for i in range(1, 9)}
        texts = CELL_RATES | IMMUNE_RATES | transit | DISEASE_RATES
        names = {name: symbol(name + local) for name in (*texts, "drive")} | {n: symbol(n) for n in VALUES}
        names["tnf_next"] = symbol("tnf" + neighbour)
        assignments.append(("drive" + local, sympy.sympify("k_drive*(0.7*tnf + 0.3*tnf_next) + ifng", names)))
        for name, text in texts.items():
            states.append(name + local)
            rates.append(sympy.sympify(text, names))
            starts.append(sympy.Float(START.get(name, 0.0) * (1 + 0.2 * copy)))
    return OdeModel(f"synthetic{40 * copies}", tuple(states), tuple(VALUES), tuple(assignments), tuple(rates),
                    tuple(starts))


def parameters(n_subject: int, seed: int = 1) -> NDArray[np.float64]:
    """Return a lognormal population: 35 % spread of the rates, 10 % of the exponents."""
    rng = np.random.default_rng(seed)
    names = list(VALUES)
    table = np.tile(np.array(list(VALUES.values())), (n_subject, 1))
    draws = rng.standard_normal((n_subject, len(VARYING)))
    for name, draw in zip(VARYING, draws.T, strict=True):
        spread = 0.1 if name.startswith("n_") else 0.35
        table[:, names.index(name)] *= np.exp(spread * draw - spread**2 / 2)
    return table


def infusions(whole: OdeModel, n_subject: int, days: tuple[float, ...] = (0.0, 7.0)) -> Doses:
    """Return 70 million cells a day given, over four states of every copy."""
    share = {"blood": 45e6, "lung": 15e6, "liver": 6e6, "dying": 4e6}
    one = [(day, i, share[name.split("_")[0]]) for day in days for i, name in enumerate(whole.states)
           if name.split("_")[0] in share]
    return Doses.per_subject([one] * n_subject)


def problem(copies: int, n_subject: int) -> EnsembleProblem:
    """Return the standard problem: a year, infusions on days 0 and 7, 20 visits, all states reported."""
    whole = model(copies)
    visits = np.linspace(365 / 20, 365, 20)
    return EnsembleProblem(whole, parameters(n_subject), visits, whole.states, infusions(whole, n_subject))
