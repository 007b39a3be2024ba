"""Charts: their axes are the run's time, whatever its stages' timesteps, and no value is lost from sight unsaid."""

from __future__ import annotations

import math
import re

import pytest

from lammps_jobs.formats.thermo import Section, sections
from lammps_jobs.report.chart import MOST_POINTS, Line, chart, number_text
from lammps_jobs.report.thermodynamics import averages, charts


def ticks(svg: str) -> list[str]:
    """Numbers along the lower axis."""
    return re.findall(r'y="172" text-anchor="middle">([^<]*)<', svg)


def stage(timestep: float | None, first: int, last: int, every: int, **more: object) -> Section:
    rows = [[float(step), 1.0 + step % 3] for step in range(first, last + 1, every)]
    return Section(["Step", "Temp"], rows, timestep=timestep, **more)


def test_time_is_integrated_over_stages_with_other_timesteps():
    ((temperature,), minimized) = charts([stage(0.001, 0, 1000, 100), stage(0.005, 1000, 2000, 100)], "lj", 0.005)
    assert "time since the start / τ" in temperature.svg
    assert ticks(temperature.svg)[-1] == "6"  # 1 + 5, not 10
    assert "stage 2 begins" in temperature.svg
    assert minimized == []


def test_minimization_is_apart_and_counts_iterations_not_time():
    of_runs, minimized = charts([stage(None, 0, 60, 10, is_minimization=True), stage(2.0, 60, 1060, 100)], "real", 2.0)
    assert "iterations" in minimized[0].svg
    assert ticks(of_runs[0].svg)[-1] == "2,000"
    assert "Temp / K" in of_runs[0].svg


@pytest.mark.parametrize(("units", "label"), [("", "steps since the start"), ("lj", "steps since the start")])
def test_without_a_timestep_the_axis_says_steps(units, label):
    ((temperature,), _) = charts([stage(None, 0, 1000, 100), stage(0.005, 0, 1000, 100)], units, None)
    assert label in temperature.svg
    assert ticks(temperature.svg)[-1] == "2,000"


def test_time_column_of_the_script_and_its_own_columns_are_used():
    rows = [[0.0, 0.0, 1.0], [10.0, 0.5, 4.0], [20.0, 1.0, 9.0]]
    ((own,), _) = charts([Section(["Step", "Time", "c_msd[4]"], rows)], "metal", 0.001)
    assert own.title == "c_msd[4]"
    assert "time / ps" in own.svg
    assert ticks(own.svg)[-1] == "1"


@pytest.mark.parametrize(
    ("line", "units", "timestep"),
    [
        ("Performance: 2131138.033 tau/day, 4933.190 timesteps/s, 1.263 Matom-step/s", "lj", "0.005"),
        ("Performance: 2573.419 ns/day, 0.009 hours/ns, 14892.472 timesteps/s, 1.608 Matom-step/s", "metal", "0.002"),
    ],
)
def test_timestep_is_read_off_lammps_own_figures(line, units, timestep):
    log = f"   Step   Temp \n  0   1.44 \n  500   1.0 \nLoop time of 1\n\n{line}\n"
    (section,) = sections(log)
    ((temperature,), _) = charts([section], units, None)
    assert ticks(temperature.svg)[-1] in (f"{500 * float(timestep):g}", "2")  # 2.5 and 1


def test_spikes_do_not_hide_the_rest_and_are_counted():
    ys = [1.0 + 0.1 * math.sin(at) for at in range(100)]
    ys[3] = 1e6
    svg = chart([Line("Press", list(range(100)), ys)], "time", "Press")
    assert "1 value beyond" in svg
    assert "1e6" not in svg


def test_long_runs_are_thinned_but_keep_their_extremes_and_gaps_stay_gaps():
    ys = [0.0] * 100_000
    ys[50_000] = 1.0
    svg = chart([Line("v", range(100_000), ys)], "steps", "v")
    assert len(svg) < 40 * MOST_POINTS
    assert svg.count("M") == 2  # values and their running mean
    assert chart([Line("v", [0, 1, 2, 3], [1.0, math.nan, 2.0, 3.0])], "steps", "v").count("M") == 2
    assert chart([Line("v", [], [])], "steps", "v") == ""


def test_numbers_are_written_as_people_read_them():
    assert [number_text(n) for n in (0.0, 0.25, 10000.0, 1e-7, 2.5e9)] == ["0", "0.25", "10,000", "1e-07", "2.5e+09"]


def test_averages_are_of_the_second_half_with_as_many_digits_as_are_known():
    rows = [[float(at), 100.0 if at < 100 else 2.0 + 0.1 * (at % 2)] for at in range(200)]
    (found,) = averages([Section(["Step", "Press"], rows)], "lj")
    assert (found.stage, found.rows, found.values) == (1, 100, (("Press / ε/σ³", "2.05"),))
    rows = [[float(at), math.sin(at * at)] for at in range(200)]
    assert re.fullmatch(r"-?0\.\d{3} ± 0\.0\d\d?", averages([Section(["Step", "v_x"], rows)], "lj")[0].values[0][1])
