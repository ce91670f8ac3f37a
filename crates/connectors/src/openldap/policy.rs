//! The two controls in which the password policy overlay speaks: what became of a
//! bind (draft-behera-ldap-password-policy), and whether an entry could log in now
//! (account usability). Both are read here bytewise; what is not understood says
//! nothing.

/// Asked with a bind. Needs `ppolicy_use_lockout` to tell a lock.
pub(super) const PPOLICY: &str = "1.3.6.1.4.1.42.2.27.8.5.1";
/// Asked with a search.
pub(super) const USABILITY: &str = "1.3.6.1.4.1.42.2.27.9.5.8";

/// What `pwdAccountLockedTime` holds where an entry is locked until somebody
/// unlocks it. Any other value ends by itself where the policy has a duration.
pub(super) const LOCKED_FOR_GOOD: &str = "000001010000Z";

/// What the policy said of a bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BindPolicy {
    /// Nothing: no overlay, or no such control in the answer.
    Silent,
    /// A policy is there, and has nothing against it.
    NoObjection,
    Expired,
    Locked,
    /// The bind is taken and may only change the password.
    ChangeAfterReset,
    /// Something else, or not understood.
    Other,
}

impl BindPolicy {
    /// Reads the control of an answer; `None` where there was none.
    pub(super) fn of(value: Option<&[u8]>) -> Self {
        let Some(value) = value else { return Self::Silent };
        let Some((0x30, inside, [])) = element(value) else { return Self::Other };
        let mut rest = inside;
        while !rest.is_empty() {
            let Some((tag, content, after)) = element(rest) else { return Self::Other };
            match (tag, content) {
                (0x81, [0]) => return Self::Expired,
                (0x81, [1]) => return Self::Locked,
                (0x81, [2]) => return Self::ChangeAfterReset,
                (0x81, _) => return Self::Other,
                _ => rest = after,
            }
        }
        Self::NoObjection
    }
}

/// Whether an entry could log in now, as the overlay itself decides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Usability {
    Usable,
    /// `ends_by_itself`: a lock that runs out.
    Unusable {
        ends_by_itself: bool,
    },
}

impl Usability {
    /// Reads the control of an entry; `None` where it is not understood.
    pub(super) fn of(value: &[u8]) -> Option<Self> {
        match element(value)? {
            (0x80, _, []) => Some(Self::Usable),
            (0xA1, inside, []) => {
                let mut ends_by_itself = false;
                let mut rest = inside;
                while !rest.is_empty() {
                    let (tag, content, after) = element(rest)?;
                    // `inactive`, and seconds until it is unlocked: negative for never.
                    ends_by_itself |= match (tag, content) {
                        (0x80, [flag]) => *flag != 0,
                        (0x84, [first, ..]) => first & 0x80 == 0 && content.iter().any(|b| *b != 0),
                        _ => false,
                    };
                    rest = after;
                }
                Some(Self::Unusable { ends_by_itself })
            }
            _ => None,
        }
    }
}

/// One BER element from the front: tag, content, rest. Definite lengths only.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7F => (usize::from(length), rest),
        0x81 => (usize::from(*rest.first()?), &rest[1..]),
        0x82 => (usize::from(*rest.first()?) << 8 | usize::from(*rest.get(1)?), &rest[2..]),
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_openldap_answers_is_understood() {
        // As OpenLDAP 2.5.13 sends them.
        for (value, wanted) in [
            (None, BindPolicy::Silent),
            (Some(&b"0\x00"[..]), BindPolicy::NoObjection),
            (Some(b"0\x03\x81\x01\x00"), BindPolicy::Expired),
            (Some(b"0\x03\x81\x01\x01"), BindPolicy::Locked),
            (Some(b"0\x03\x81\x01\x02"), BindPolicy::ChangeAfterReset),
            (Some(b"0\x05\xa0\x03\x80\x01\x3c"), BindPolicy::NoObjection),
            (Some(b"0\x08\xa0\x03\x80\x01\x3c\x81\x01\x01"), BindPolicy::Locked),
        ] {
            assert_eq!(BindPolicy::of(value), wanted, "{value:?}");
        }
        let unusable = |ends_by_itself| Some(Usability::Unusable { ends_by_itself });
        for (value, wanted) in [
            (&b"\x80\x01\xff"[..], Some(Usability::Usable)),
            (b"\xa1\x0f\x80\x01\x00\x81\x01\x00\x82\x01\x00\x83\x01\xff\x84\x01\xff", unusable(false)),
            (b"\xa1\x0f\x80\x01\xff\x81\x01\x00\x82\x01\x00\x83\x01\xff\x84\x01\x02", unusable(true)),
        ] {
            assert_eq!(Usability::of(value), wanted, "{value:?}");
        }
    }

    #[test]
    fn no_bytes_are_taken_for_a_lock_by_mistake() {
        for value in [
            &b""[..],
            b"0",
            b"0\x01",
            b"0\x03\x81\x01",
            b"0\x03\x81\x01\x07",
            b"0\x00\x81\x01\x01",
            b"1\x00",
            b"0\x80\x81\x01\x01",
            &[0xff; 64],
        ] {
            assert_eq!(BindPolicy::of(Some(value)), BindPolicy::Other, "{value:?}");
        }
        for value in [&b""[..], b"\xa1", b"\xa1\x03\x80\x01", b"\x80\x01\xff\x00", b"\xa0\x00", &[0xff; 64]] {
            assert_eq!(Usability::of(value), None, "{value:?}");
        }
    }
}
