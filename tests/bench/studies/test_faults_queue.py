"""The attacks on a queue say what is missing where there is none to attack."""

from splitopt.bench.studies.faults import slurm, study


def test_without_slurm_nothing_is_tried_and_what_is_missing_is_said(monkeypatch):
    monkeypatch.setattr(slurm.shutil, "which", lambda name, path: None)
    tried = {attack.name: study.tried(attack) for attack in study.attacks(["queue"])}
    assert len(tried) >= 11
    assert set(tried.values()) == {
        (
            "not tried",
            "there is no munged here: apt-get install slurm-wlm munge, on Debian or Ubuntu",
        )
    }
