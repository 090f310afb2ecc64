//! The codes of a sample: for the change of the step between timestamps, and for the changed bits
//! of the value. [`super`] draws these codes.

/// Bits of the window's lead.
pub(super) const LEAD_BITS: u32 = 5;
const LEAD_MAX: u32 = 31;
/// Bits of the window's width.
pub(super) const WIDTH_BITS: u32 = 6;
/// The prefixes of the change of a step, each with the bits of its field.
const STEPS: [(u64, u32, u32); 6] = [
    (0b01, 2, 5),
    (0b011, 3, 8),
    (0b0111, 4, 11),
    (0b01111, 5, 15),
    (0b01_1111, 6, 32),
    (0b11_1111, 6, 64),
];

/// The code of a change of the step: prefix, its bits, the bits of the field.
#[inline]
pub(super) fn step_code(change: i64) -> (u64, u32, u32) {
    if change == 0 {
        return (0, 1, 0);
    }
    let fits = |bits: u32| (change << (64 - bits)) >> (64 - bits) == change;
    *STEPS
        .iter()
        .find(|(_, _, bits)| fits(*bits))
        .expect("64 bits fit")
}

/// The code of a value.
pub(super) struct ValueCode {
    pub(super) head: u64,
    pub(super) head_bits: u32,
    pub(super) window: u64,
    pub(super) window_bits: u32,
    pub(super) lead: u8,
    pub(super) tail: u8,
}

impl ValueCode {
    /// Of the bits that changed, after a window.
    #[inline]
    pub(super) fn of(changed: u64, lead: u8, tail: u8) -> ValueCode {
        if changed == 0 {
            return ValueCode {
                head: 0,
                head_bits: 1,
                window: 0,
                window_bits: 0,
                lead,
                tail,
            };
        }
        let new_lead = changed.leading_zeros().min(LEAD_MAX);
        let new_tail = changed.trailing_zeros();
        let width = 64 - new_lead - new_tail;
        let (old_lead, old_tail) = (u32::from(lead), u32::from(tail));
        let old_width = 64_u32.saturating_sub(old_lead + old_tail);
        // The old window is used unless a new window is shorter together with its description.
        if new_lead >= old_lead
            && new_tail >= old_tail
            && LEAD_BITS + WIDTH_BITS + width > old_width
        {
            return ValueCode {
                head: 0b01,
                head_bits: 2,
                window: changed >> old_tail,
                window_bits: old_width,
                lead,
                tail,
            };
        }
        let head = 0b11 | u64::from(new_lead) << 2 | u64::from(width - 1) << (2 + LEAD_BITS);
        ValueCode {
            head,
            head_bits: 2 + LEAD_BITS + WIDTH_BITS,
            window: changed >> new_tail,
            window_bits: width,
            lead: new_lead as u8,
            tail: new_tail as u8,
        }
    }
}
