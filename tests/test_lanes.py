"""Which trial gets which lane, decided on numbers; nothing here starts Ray."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bvae.config import ConfigError
from study.lanes import Lane, Lanes, check_fit, choose, lanes_of, prices_of, slots

GPU, CPU = lanes_of(1, 0.5, {})
NODES = [{"CPU": 4.0, "GPU": 1.0}, {"CPU": 2.0}]  # 2 trials on the GPU, 2 + 2 on cores


def plan(count):
    return [{"trial_id": f"t{i}"} for i in range(count)]


def searcher(count, nodes, lanes=(GPU, CPU), limit=None):
    """A searcher over machines that a test may change, looked at anew each time."""
    made = Lanes(plan(count), lanes, limit, look=lambda: nodes)
    original = made.suggest

    def suggest(trial_id):
        made._looked = float("-inf")
        return original(trial_id)

    made.suggest = suggest
    return made


def start_all(lanes, prefix="a"):
    """What Tune does before each event: ask until nothing comes. Returns (Tune id, lane, trial) of what started."""
    started = []
    while isinstance(given := lanes.suggest(f"{prefix}{len(started)}"), dict):
        started.append((f"{prefix}{len(started)}", given["lane"], given["assignment"]["trial_id"]))
    return started


def test_the_gpu_lane_fills_first_then_the_cores_that_are_left():
    started = start_all(searcher(9, NODES))
    assert [lane for _, lane, _ in started] == ["gpu", "gpu", "cpu", "cpu", "cpu", "cpu"]
    assert [trial for _, _, trial in started] == ["t0", "t1", "t2", "t3", "t4", "t5"]


def test_a_trial_takes_the_place_that_becomes_free():
    lanes = searcher(9, NODES)
    first = start_all(lanes)
    lanes.on_trial_complete(first[1][0])
    lanes.on_trial_complete(first[4][0], error=True)
    assert [(lane, trial) for _, lane, trial in start_all(lanes, "b")] == [("gpu", "t6"), ("cpu", "t7")]


def test_a_limit_holds_over_both_lanes():
    assert [lane for _, lane, _ in start_all(searcher(9, NODES, limit=3))] == ["gpu", "gpu", "cpu"]


def test_nodes_that_come_are_used_and_nodes_that_go_are_not():
    nodes = list(NODES)
    lanes = searcher(20, nodes)
    first = start_all(lanes)
    nodes.append({"CPU": 1.0, "GPU": 1.0})  # One core feeds one trial, though two would fit on the GPU.
    assert [lane for _, lane, _ in start_all(lanes, "b")] == ["gpu"]
    del nodes[0], nodes[-1]
    for trial, lane, _ in [*first, ("b0", "gpu", "")]:
        if lane == "gpu":
            lanes.on_trial_complete(trial, error=True)
    assert start_all(lanes, "c") == []  # Four are at work on cores, of which two are left.
    for trial, lane, _ in first:
        if lane == "cpu":
            lanes.on_trial_complete(trial)
    assert [lane for _, lane, _ in start_all(lanes, "d")] == ["cpu", "cpu"]


def test_a_trial_that_died_goes_first_and_may_change_lanes():
    nodes = list(NODES)
    lanes = searcher(9, nodes)
    first = start_all(lanes)
    del nodes[0]
    lanes.on_trial_complete(first[0][0], error=True)
    lanes.again({"trial_id": "t0", "resume": "checkpoints/t0/3"})
    for trial, _, _ in first[2:]:
        lanes.on_trial_complete(trial)
    given = lanes.suggest("x")
    assert (given["lane"], given["assignment"]["trial_id"], given["assignment"]["resume"]) == (
        "cpu",
        "t0",
        "checkpoints/t0/3",
    )


def test_the_search_ends_when_nothing_waits_and_nothing_runs():
    lanes = searcher(1, NODES)
    start_all(lanes)
    assert lanes.suggest("later") is None  # It may still die and come back.
    lanes.on_trial_complete("a0")
    assert lanes.suggest("later") == Lanes.FINISHED


def test_with_no_machine_one_trial_waits_in_line():
    # Tune sleeps, deaf to Ctrl-C, where it has nothing at all in its queue.
    lanes = searcher(3, [{"CPU": 0.0}])
    assert [lane for _, lane, _ in start_all(lanes)] == ["cpu"]
    assert [lane for _, lane, _ in start_all(searcher(3, [], lanes=[GPU]))] == ["gpu"]


def test_near_the_end_no_slow_trial_starts_on_a_cpu():
    lanes = searcher(9, [{"CPU": 3.0, "GPU": 1.0}], lanes=[Lane("gpu", 1, 1.0), CPU])
    first = start_all(lanes)
    assert [lane for _, lane, _ in first] == ["gpu", "cpu", "cpu"]
    lanes.on_trial_result(first[0][0], {"images_per_second": 700.0})
    lanes.on_trial_result(first[1][0], {"images_per_second": 100.0})
    lanes.on_trial_complete(first[1][0])
    # Six wait: the GPU needs seven rounds for all, one on a core takes as long as seven: even.
    assert [lane for _, lane, _ in start_all(lanes, "b")] == ["cpu"]
    lanes.on_trial_complete(first[2][0])
    assert start_all(lanes, "c") == []
    lanes.on_trial_complete(first[0][0])
    assert [lane for _, lane, _ in start_all(lanes, "d")] == ["gpu"]


def test_state_survives_save_and_restore(tmp_path):
    lanes = searcher(9, NODES)
    first = start_all(lanes)
    lanes.on_trial_complete(first[0][0])
    lanes.save(str(tmp_path / "state"))
    restored = searcher(0, NODES)
    restored.restore(str(tmp_path / "state"))
    # Tune starts what ran again by itself, on the lane it had: one place on the GPU is free.
    assert [(lane, trial) for _, lane, trial in start_all(restored, "b")] == [("gpu", "t6")]
    restored.on_trial_complete(first[2][0])
    assert [(lane, trial) for _, lane, trial in start_all(restored, "c")] == [("cpu", "t7")]
    assert (tmp_path / "state").read_text().startswith("{")


machine = st.fixed_dictionaries({"CPU": st.integers(0, 9), "GPU": st.sampled_from([0, 1, 2, 4])})


@given(
    st.lists(machine, max_size=4),
    st.integers(1, 3),
    st.sampled_from([0.1, 0.25, 0.3, 0.5, 0.7, 1.0, 2.0]),
    st.lists(st.integers(0, 5), max_size=30),
)
def test_no_machine_is_ever_asked_for_more_than_it_has(nodes, cpus, gpus, ends):
    pair = lanes_of(cpus, gpus, {})
    lanes, running, started = searcher(30, nodes, pair), [], 0
    for end in ends:
        new = start_all(lanes, f"{started}-")
        started += len(new)
        running += [(trial, lane) for trial, lane, _ in new]
        count = {lane: sum(other == lane for _, other in running) for lane in ("gpu", "cpu")}
        room = slots(nodes, pair)
        waits = sum(room.values()) == 0  # One is in line then.
        assert count["gpu"] * gpus <= sum(node["GPU"] for node in nodes) + 1e-9
        assert count["cpu"] + count["gpu"] <= sum(node["CPU"] // cpus for node in nodes) + waits
        assert all(count[lane] <= room[lane] for lane in count) or waits
        if running:
            lanes.on_trial_complete(running.pop(end % len(running))[0])


@pytest.mark.parametrize(
    ("gpus", "each", "fit"), [(1, 0.25, 4), (1, 0.3, 3), (2, 0.6, 2), (1, 0.1, 10), (4, 2, 2), (3, 2, 1), (0, 0.5, 0)]
)
def test_a_fraction_lies_on_one_gpu(gpus, each, fit):
    lane = Lane("gpu", 1, each)
    assert slots([{"CPU": 99.0, "GPU": float(gpus)}], [lane])["gpu"] == fit


def names(lanes):
    return [lane.name for lane in lanes]


def test_lanes_are_those_asked_for_or_both_where_there_are_gpus():
    pair = lanes_of(1, 0.5, {})
    assert names(choose(None, False, pair, NODES)) == ["gpu", "cpu"]
    assert names(choose(None, False, pair, NODES[1:])) == ["cpu"]
    assert names(choose("cpu", True, pair, NODES)) == ["cpu"]
    assert names(choose("gpu", False, pair, NODES)) == ["gpu"]
    assert names(choose("both", False, pair, NODES[1:])) == ["gpu", "cpu"]
    assert names(choose(None, True, pair, NODES[1:])) == ["gpu", "cpu"]


def test_a_lane_that_fits_nowhere_is_refused():
    check_fit(lanes_of(4, 1.0, {})[0], NODES)
    with pytest.raises(ConfigError, match=r"gpus_per_trial is 0\.5, but no machine has that.*0 GPUs.*--lanes cpu"):
        check_fit(GPU, NODES[1:])
    with pytest.raises(ConfigError, match="cpus_per_trial is 5, but no machine has that"):
        check_fit(lanes_of(5, None, {})[1], NODES)


def test_prices_are_of_cores_and_whole_gpus():
    gpu, cpu = lanes_of(2, 0.25, prices_of(["cpu=0.04", "gpu=1.2"]))
    assert (gpu.cost_per_hour, cpu.cost_per_hour) == (pytest.approx(0.38), pytest.approx(0.08))
    assert lanes_of(2, 0.25, prices_of(["cpu=0.04"]))[0].cost_per_hour is None
    assert [lane.cost_per_hour for lane in lanes_of(2, 0.25, {})] == [None, None]
    for table in (["tpu=1"], ["cpu"], ["cpu=-1"], ["gpu=nan"], ["gpu=x"]):
        with pytest.raises(ConfigError, match="cost_per_hour has"):
            lanes_of(1, None, prices_of(table))


def test_an_autoscaler_hears_what_could_be_used_beyond_what_there_is():
    asked = []
    lanes = Lanes(plan(9), (GPU, CPU), 7, look=lambda: NODES, ask=asked.append)

    def look():
        lanes._looked = float("-inf")
        return start_all(lanes, f"{len(asked)}-")

    first = look()
    assert asked == [{"gpu": 0, "cpu": 0}]  # There was room for six.
    look()
    assert asked[-1] == {"gpu": 1, "cpu": 1}  # Three wait, but seven at once are the limit.
    lanes.on_trial_complete(first[0][0])
    look()
    assert asked[-1] == {"gpu": 0, "cpu": 2}  # The GPU lane has room: its place is for a trial.


def test_trials_that_wait_for_places_that_are_gone_are_taken_back():
    nodes = list(NODES)
    lanes = searcher(9, nodes)
    first = [trial for trial, _, _ in start_all(lanes)]
    assert lanes.stranded(first) == []
    del nodes[0]
    lanes.suggest("look")
    # Two of six fit now, on cores; two GPU trials and two of the four on cores have lost their places.
    assert lanes.stranded([first[0], first[1], first[5]]) == [first[5], first[1], first[0]]
    assert lanes.stranded([first[0]]) == [first[0]]


def test_a_trial_that_waits_alone_stays_in_line_until_there_is_room():
    nodes = [{"CPU": 0.0}]
    lanes = searcher(3, nodes)
    ((waits, lane, _),) = start_all(lanes)
    assert lane == "cpu"
    assert lanes.stranded([waits]) == []
    nodes[0] = {"CPU": 1.0, "GPU": 0.0}
    lanes.suggest("look")
    assert lanes.stranded([waits]) == []  # It has its place now.
    lanes = searcher(3, nodes, lanes=[GPU])
    nodes[0] = {"CPU": 0.0}
    ((waits, _, _),) = start_all(lanes)
    assert lanes.stranded([waits]) == []
