//! The protobuf wire format: tags, varints, lengths. Every read is bounds-checked, whatever the bytes.

/// How deep groups, which nothing here uses, may be nested to be skipped.
const GROUP_DEPTH: usize = 64;

/// Bytes that are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{problem}, in {message} at byte {offset}")]
pub(crate) struct Malformed {
    /// From the beginning of the body.
    pub(super) offset: usize,
    pub(super) problem: &'static str,
    /// The innermost message of the table around it.
    pub(super) message: &'static str,
}

impl Malformed {
    pub(super) fn within(self, message: &'static str) -> Self {
        if self.message.is_empty() { Self { message, ..self } } else { self }
    }
}

/// How a field's value is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    Varint,
    Fixed64,
    Delimited,
    GroupStart,
    GroupEnd,
    Fixed32,
}

/// A stretch of the body that is being read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    body: &'a [u8],
    position: usize,
    /// At most the body's length, never before the position.
    end: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self { body, position: 0, end: body.len() }
    }

    /// An empty stretch here.
    pub(super) fn nothing(&self) -> Self {
        Self { end: self.position, ..*self }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.position >= self.end
    }

    pub(super) fn malformed(&self, problem: &'static str) -> Malformed {
        Malformed { offset: self.position, problem, message: "" }
    }

    /// Takes these bytes if they come next.
    pub(super) fn starts_with(&mut self, prefix: &[u8]) -> bool {
        let found = self.bytes().starts_with(prefix);
        if found {
            self.position += prefix.len();
        }
        found
    }

    /// What is left.
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.body.get(self.position..self.end).unwrap_or_default()
    }

    /// What is left, as text.
    pub(super) fn text(&self) -> Result<&'a str, Malformed> {
        let invalid = |e: std::str::Utf8Error| Malformed {
            offset: self.position + e.valid_up_to(),
            problem: "a string that is not UTF-8",
            message: "",
        };
        std::str::from_utf8(self.bytes()).map_err(invalid)
    }

    /// The next field's number and layout; `None` at the end.
    pub(super) fn tag(&mut self) -> Result<Option<(u32, Wire)>, Malformed> {
        if self.is_empty() {
            return Ok(None);
        }
        let start = *self;
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).ok().filter(|n| (1..1 << 29).contains(n));
        let number = number.ok_or_else(|| start.malformed("a field number out of range"))?;
        let wire = match tag & 7 {
            0 => Wire::Varint,
            1 => Wire::Fixed64,
            2 => Wire::Delimited,
            3 => Wire::GroupStart,
            4 => Wire::GroupEnd,
            5 => Wire::Fixed32,
            _ => return Err(start.malformed("an unknown wire type")),
        };
        Ok(Some((number, wire)))
    }

    pub(super) fn varint(&mut self) -> Result<u64, Malformed> {
        let start = *self;
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let Some(&byte) = self.bytes().first() else { return Err(start.malformed("a number that breaks off")) };
            self.position += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                // The tenth byte holds one bit.
                let fits = shift < 63 || byte <= 1;
                return if fits { Ok(value) } else { Err(start.malformed("a number of more than 64 bits")) };
            }
        }
        Err(start.malformed("a number of more than 64 bits"))
    }

    /// A length, and that many bytes.
    pub(super) fn delimited(&mut self) -> Result<Self, Malformed> {
        let start = *self;
        let length = self.varint()?;
        let end = usize::try_from(length).ok().and_then(|l| self.position.checked_add(l)).filter(|e| *e <= self.end);
        let end = end.ok_or_else(|| start.malformed("a length beyond the end"))?;
        let inner = Self { end, ..*self };
        self.position = end;
        Ok(inner)
    }

    /// Passes over the value of a field that nobody knows.
    pub(super) fn skip(&mut self, wire: Wire) -> Result<(), Malformed> {
        let start = *self;
        let mut wire = wire;
        let mut depth = 0_usize;
        loop {
            match wire {
                Wire::Varint => drop(self.varint()?),
                Wire::Fixed64 => self.advance(8)?,
                Wire::Fixed32 => self.advance(4)?,
                Wire::Delimited => drop(self.delimited()?),
                Wire::GroupStart if depth >= GROUP_DEPTH => return Err(start.malformed("groups nested too deep")),
                Wire::GroupStart => depth += 1,
                Wire::GroupEnd => {
                    depth = depth.checked_sub(1).ok_or_else(|| start.malformed("the end of no group"))?;
                }
            }
            if depth == 0 {
                return Ok(());
            }
            (_, wire) = self.tag()?.ok_or_else(|| start.malformed("a group that breaks off"))?;
        }
    }

    fn advance(&mut self, length: usize) -> Result<(), Malformed> {
        if self.bytes().len() < length {
            return Err(self.malformed("a number that breaks off"));
        }
        self.position += length;
        Ok(())
    }
}
