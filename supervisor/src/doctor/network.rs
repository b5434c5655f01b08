//! The network interface that carries the frames.

use rt_linux::ethtool::Setting;

use super::finding::{Answer, Answered, Fix};
use super::system::{Probe, Unread, Why};

/// Drivers that field reports and the vendors of EtherCAT main devices name as fit: interrupts without moderation on request.
const DRIVERS_KNOWN: [&str; 9] =
    ["igb", "igc", "e1000e", "e1000", "stmmac", "dwmac-intel", "tg3", "ixgbe", "macb"];

/// The interface's folder in sysfs; `None`: the segment is virtual.
fn folder<'a>(probe: &'a Probe) -> Result<Option<(&'a str, String)>, Unread> {
    let Some(interface) = probe.interface()? else { return Ok(None) };
    let folder = format!("/sys/class/net/{interface}");
    probe.names(&folder)?;
    Ok(Some((interface, folder)))
}

fn virtual_segment() -> Answered {
    Ok(Answer::not_applicable("the segment is virtual"))
}

pub(super) fn driver(probe: &Probe) -> Answered {
    let Some((interface, folder)) = folder(probe)? else { return virtual_segment() };
    let another = || Fix::ByHand("a wired interface on PCI Express, Intel igb or igc".to_owned());
    let names = probe.names(&folder)?;
    let has = |name: &str| names.iter().any(|found| found == name);
    if has("phy80211") || has("wireless") {
        probe.note(&format!("{folder}/phy80211"), "there");
        return Ok(Answer::fail(format!("{interface} is a radio")).fix(another()));
    }
    if !has("device") {
        probe.note(&format!("{folder}/device"), "not there");
        return Ok(Answer::warn(format!("{interface} has no device behind it: for trials only"))
            .fix(another()));
    }
    let driver = probe.link(&format!("{folder}/device/driver"))?;
    let bus = probe.link(&format!("{folder}/device/subsystem"))?;
    Ok(match (bus.as_str(), DRIVERS_KNOWN.contains(&driver.as_str())) {
        ("usb", _) => {
            Answer::fail(format!("{interface} ({driver}) hangs on USB: frames wait for its polls"))
                .fix(another())
        }
        (_, true) => Answer::pass(format!("{interface} is driven by {driver}")),
        (_, false) => Answer::warn(format!(
            "{interface} is driven by {driver}, with which there is no experience"
        ))
        .fix(another()),
    })
}

pub(super) fn link(probe: &Probe) -> Answered {
    let Some(interface) = probe.interface()? else { return virtual_segment() };
    let folder = format!("/sys/class/net/{interface}");
    let state = match probe.text(&format!("{folder}/operstate")) {
        Err(Unread { why: Why::Absent, .. }) => {
            let names = probe.names("/sys/class/net")?;
            if names.iter().any(|name| name == interface) {
                return Err(Unread::absent(&format!("{folder}/operstate")));
            }
            let there = names.join(", ");
            return Ok(Answer::fail(format!(
                "there is no interface {interface}; there are {there}"
            ))
            .fix(Fix::ByHand("name another interface, or load its driver".to_owned())));
        }
        other => other?,
    };
    match state.trim() {
        // Virtual pairs on old kernels.
        "up" | "unknown" => {}
        "down" | "lowerlayerdown" | "dormant" | "notpresent" | "testing" => {
            return Ok(Answer::fail(format!("{interface} is {}", state.trim()))
                .fix(Fix::Run(format!("ip link set dev {} up", super::script::quoted(interface))))
                .fix(Fix::ByHand("see the cable and the first device's power".to_owned())));
        }
        _ => return Err(Unread::garbled(&format!("{folder}/operstate"), "up or down")),
    }
    if !probe.exists(&format!("{folder}/device")) {
        return Ok(Answer::pass(format!("{interface} is up; it has no speed of its own")));
    }
    let speed = probe.number(&format!("{folder}/speed"))?;
    let duplex = probe.text(&format!("{folder}/duplex"))?;
    let direct = || Fix::ByHand("connect the first device directly, without a switch".to_owned());
    Ok(match (speed, duplex.trim()) {
        (..=0, "full" | "half" | "unknown") => {
            Answer::warn(format!("{interface} is up and does not say its speed")).fix(direct())
        }
        (100, "full") => Answer::pass(format!("{interface} is up, 100 Mbit/s, full duplex")),
        (speed, duplex @ ("full" | "half" | "unknown")) => Answer::warn(format!(
            "{interface} runs {speed} Mbit/s, {duplex} duplex; EtherCAT devices have 100, full"
        ))
        .fix(direct()),
        _ => return Err(Unread::garbled(&format!("{folder}/duplex"), "full, half or unknown")),
    })
}

/// The value of a setting; `None`: the driver does not know it.
fn setting(probe: &Probe, interface: &str, name: &str) -> Result<Option<u32>, Unread> {
    Ok(match probe.ethtool(interface, name)? {
        Setting::Is(value) => Some(value),
        Setting::Unsupported | Setting::Refused(_) => None,
    })
}

pub(super) fn coalescing(probe: &Probe) -> Answered {
    let Some((interface, _)) = folder(probe)? else { return virtual_segment() };
    let Some(usecs) = setting(probe, interface, "rx-usecs")? else {
        return Ok(Answer::not_applicable(format!("{interface} does not gather interrupts")));
    };
    let adaptive = setting(probe, interface, "adaptive-rx")?.unwrap_or(0) != 0;
    let set = |arguments| Fix::Ethtool(interface.to_owned(), "-C", arguments);
    Ok(match (usecs, adaptive) {
        (0, false) => Answer::pass("each frame has its interrupt at once"),
        (_, true) => Answer::fail("the driver decides how long frames wait for an interrupt")
            .fix(set("adaptive-rx off rx-usecs 0")),
        (usecs, false) => {
            Answer::fail(format!("frames wait for their interrupt: rx-usecs {usecs}"))
                .fix(set("rx-usecs 0"))
        }
    })
}

pub(super) fn deferral(probe: &Probe) -> Answered {
    let Some((interface, folder)) = folder(probe)? else { return virtual_segment() };
    let mut answer = None;
    for file in ["napi_defer_hard_irqs", "gro_flush_timeout"] {
        let path = format!("{folder}/{file}");
        if probe.number(&path)? != 0 {
            let so_far = answer.unwrap_or_else(|| {
                Answer::fail(format!("{interface} waits before it enables interrupts again"))
            });
            answer = Some(so_far.fix(Fix::WriteNow(path, "0".to_owned())));
        }
    }
    Ok(answer.unwrap_or_else(|| Answer::pass("interrupts are enabled again at once")))
}

pub(super) fn offloads(probe: &Probe) -> Answered {
    let Some((interface, _)) = folder(probe)? else { return virtual_segment() };
    const OFFLOADS: [(&str, &str); 4] =
        [("gro", "gro off"), ("lro", "lro off"), ("gso", "gso off"), ("tso", "tso off")];
    let mut on = Vec::new();
    for (name, off) in OFFLOADS {
        if setting(probe, interface, name)?.is_some_and(|value| value != 0) {
            on.push((name, off));
        }
    }
    if on.is_empty() {
        return Ok(Answer::pass("frames are neither merged nor split"));
    }
    let names: Vec<_> = on.iter().map(|(name, _)| *name).collect();
    let answer =
        Answer::warn(format!("{interface} may merge or split frames: {}", names.join(", ")));
    let off = |answer: Answer, (_, off): &(&str, &'static str)| {
        answer.fix(Fix::Ethtool(interface.to_owned(), "-K", off))
    };
    Ok(on.iter().fold(answer, off))
}

pub(super) fn energy(probe: &Probe) -> Answered {
    let Some((interface, _)) = folder(probe)? else { return virtual_segment() };
    let Some(enabled) = setting(probe, interface, "eee-enabled")? else {
        return Ok(Answer::not_applicable(format!("{interface} has no Energy-Efficient Ethernet")));
    };
    let active = setting(probe, interface, "eee-active")?.unwrap_or(0) != 0;
    let off = || Fix::Ethtool(interface.to_owned(), "--set-eee", "eee off");
    Ok(match (enabled != 0, active) {
        (false, _) => Answer::pass("the link does not sleep"),
        (true, true) => Answer::fail("the link sleeps between frames").fix(off()),
        (true, false) => Answer::warn("the link sleeps as soon as the other end agrees").fix(off()),
    })
}

pub(super) fn quiet(probe: &Probe) -> Answered {
    let Some((interface, _)) = folder(probe)? else { return virtual_segment() };
    let column = |path: &str, place: usize, columns: usize| -> Result<bool, Unread> {
        let text = probe.feature(path)?.unwrap_or_default();
        let mut found = false;
        for line in text.lines() {
            let fields: Vec<_> = line.split_whitespace().collect();
            if fields.len() != columns {
                return Err(Unread::garbled(path, "a table of the kernel"));
            }
            if fields.get(place) == Some(&interface) {
                probe.note(path, line);
                found = true;
            }
        }
        Ok(found)
    };
    let six = column("/proc/net/if_inet6", 5, 6)?;
    let four = column("/proc/net/route", 0, 11)?;
    let answer = match (four, six) {
        (false, false) => {
            return Ok(Answer::pass(format!("nothing else sends on {interface}")));
        }
        // Who asks may have come to this machine through that interface: not for a script.
        (true, _) => Answer::warn(format!("{interface} has IP routes: others send on it"))
            .fix(Fix::ByHand(format!("ip address flush dev {interface}, unless you need it"))),
        (false, true) => {
            Answer::warn(format!("{interface} has an IPv6 address and sends by itself"))
        }
    };
    let switch = format!("/proc/sys/net/ipv6/conf/{interface}/disable_ipv6");
    Ok(answer.fix(Fix::WriteNow(switch, "1".to_owned())).fix(Fix::ByHand(format!(
        "keep network managers off it: unmanaged-devices=interface-name:{interface}"
    ))))
}
