"""What is learnt: objective, noise, timesteps, loss."""

from __future__ import annotations

from trainer.migration.desk import Desk

_RESCALED = "weights follow the schedule that is trained on; sd-scripts' follow the one before zero terminal SNR"


def apply(desk: Desk) -> None:
    """Fills [objective], [noise], [timesteps], [loss]."""
    _objective(desk)
    _weighting(desk)
    _noise(desk)
    _timesteps(desk)
    _loss(desk)


def _objective(desk: Desk) -> None:
    is_v = "v_parameterization" in desk
    if is_v:
        desk.take("v_parameterization", "objective.name", "v_prediction")
    if "zero_terminal_snr" not in desk:
        return
    if is_v:
        desk.take("zero_terminal_snr", "objective.zero_terminal_snr", True)
    else:
        desk.note("zero_terminal_snr", "not taken", "epsilon says nothing at pure noise; if the base is v-prediction, "
                  "its files tell so, and zero terminal SNR with it")  # fmt: skip


def _weighting(desk: Desk) -> None:
    is_v, chosen = "v_parameterization" in desk, ""
    remark = _RESCALED if "zero_terminal_snr" in desk and is_v else ""
    for option, name in (
        ("min_snr_gamma", "min_snr"),
        ("debiased_estimation_loss", "debiased"),
        ("scale_v_pred_loss_like_noise_pred", "scale_v"),
    ):
        if option not in desk or (option == "min_snr_gamma" and not desk.get(option)):
            desk.note(option, "no effect", "0 is none")
        elif option == "scale_v_pred_loss_like_noise_pred" and not is_v:
            desk.note(option, "not taken", "it is for v-prediction")
        elif chosen:
            desk.note(option, "not taken", f"there is one weighting, and {chosen} has been taken")
        else:
            chosen = name
            desk.take(option, "objective.weighting", name, remark)
    if chosen == "min_snr":
        desk.put("objective.gamma", float(desk.get("min_snr_gamma")))
    if desk.get("v_pred_like_loss"):
        if is_v:
            desk.note("v_pred_like_loss", "not taken", "it is for epsilon")
        else:
            desk.take("v_pred_like_loss", "objective.v_pred_like_loss", float(desk.get("v_pred_like_loss")))
    else:
        desk.note("v_pred_like_loss", "no effect", "0 is none")


def _noise(desk: Desk) -> None:
    for option, ours in (("noise_offset", "noise.offset"), ("ip_noise_gamma", "noise.input_perturbation")):
        switch = f"{option}_random_strength"
        if desk.get(option):
            desk.take(option, ours, float(desk.get(option)))
            if switch in desk:
                desk.take(switch, f"{ours}_random", True)
        else:
            desk.note(option, "no effect", "0 is none")
            desk.note(switch, "no effect", f"there is no {option}")
    if desk.get("noise_offset") and desk.get("adaptive_noise_scale"):
        desk.take("adaptive_noise_scale", "noise.offset_adaptive", float(desk.get("adaptive_noise_scale")))
    else:
        desk.note("adaptive_noise_scale", "no effect", "there is no noise_offset, or it is 0")
    if desk.get("multires_noise_iterations"):
        desk.take("multires_noise_iterations", "noise.pyramid_iterations", desk.get("multires_noise_iterations"))
        if "multires_noise_discount" in desk:
            desk.take("multires_noise_discount", "noise.pyramid_discount", float(desk.get("multires_noise_discount")))
    else:
        desk.note("multires_noise_iterations", "no effect", "0 is none")
        desk.note("multires_noise_discount", "no effect", "there are no multires_noise_iterations")


def _timesteps(desk: Desk) -> None:
    least, most = desk.get("min_timestep", 0), desk.get("max_timestep") or 1000
    for option, ours, value in (("min_timestep", "min", least), ("max_timestep", "max", most)):
        if option not in desk:
            continue
        if least < most:
            desk.take(option, f"timesteps.{ours}", value)
        else:
            desk.note(option, "not taken", "min_timestep is not below max_timestep")


def _loss(desk: Desk) -> None:
    kind = desk.get("loss_type", "l2")
    if "loss_type" in desk:
        desk.take("loss_type", "loss.kind", kind)
    is_bent = kind in ("huber", "smooth_l1")
    schedule = desk.get("huber_schedule", "snr")
    for option in ("huber_schedule", "huber_c", "huber_scale"):
        if not is_bent:
            desk.note(option, "no effect", "it is for huber and smooth_l1")
        elif option == "huber_scale" and schedule == "snr" and desk.get(option, 1.0) != 1.0:
            desk.note(option, "no effect", "the schedule snr does not use it")
        elif option in desk:
            value = desk.get(option)
            desk.take(option, f"loss.{option}", value if option == "huber_schedule" else float(value))
    if "masked_loss" in desk:
        desk.take("masked_loss", "loss.masked", True)
