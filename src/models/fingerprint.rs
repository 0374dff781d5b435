//! What identifies a model: its file, and how that file is used.
//!
//! A premodel and a profile say how often a model was right. That holds for the same weights, fed
//! with the same tensors and read in the same way, and for nothing else; a name and the digest of
//! the file do not tell a model from the same file with another crop.

use std::fmt::Write as _;

use super::{Channels, Fit, Layout, Manifest, OutputKind, Resize, Sha256Hex};

impl Manifest {
    /// The digest of all that decides what the model answers.
    ///
    /// It is the SHA-256 of these lines of text, each ended by a line feed; numbers of floating
    /// point are written as the eight hexadecimal digits of their IEEE 754 bits:
    ///
    /// ```text
    /// classifyd model 1
    /// file <sha256 of the ONNX file>
    /// input <name>
    /// layout nchw|nhwc
    /// size <width> <height>
    /// channels rgb|bgr
    /// mean <first> <second> <third>
    /// std <first> <second> <third>
    /// resize bilinear|bicubic
    /// fit crop <share> | fit squash
    /// output <name>
    /// kind logits|probabilities
    /// classes <numbers in the output>
    /// background true|false
    /// ```
    ///
    /// The names of the classes do not count: they say what a class is called, not which it is. Nor
    /// do the model's own name, its description, its source, published figures, golden output, or where it may run.
    pub fn fingerprint(&self) -> Sha256Hex {
        Sha256Hex::of(self.identity().as_bytes())
    }

    fn identity(&self) -> String {
        let (input, output) = (&self.input, &self.output);
        let lines = [
            "classifyd model 1".to_owned(),
            format!("file {}", self.sha256),
            format!("input {}", input.name),
            format!("layout {}", layout(input.layout)),
            format!("size {} {}", input.width, input.height),
            format!("channels {}", channels(input.channels)),
            format!("mean{}", bits(&input.mean)),
            format!("std{}", bits(&input.std)),
            format!("resize {}", resize(input.resize)),
            format!("fit {}", fit(input.fit)),
            format!("output {}", output.name),
            format!("kind {}", kind(output.kind)),
            format!("classes {}", output.classes),
            format!("background {}", output.background),
        ];
        lines.into_iter().fold(String::new(), |text, line| text + &line + "\n")
    }
}

fn layout(layout: Layout) -> &'static str {
    match layout {
        Layout::Nchw => "nchw",
        Layout::Nhwc => "nhwc",
    }
}

fn channels(channels: Channels) -> &'static str {
    match channels {
        Channels::Rgb => "rgb",
        Channels::Bgr => "bgr",
    }
}

fn resize(resize: Resize) -> &'static str {
    match resize {
        Resize::Bilinear => "bilinear",
        Resize::Bicubic => "bicubic",
    }
}

fn fit(fit: Fit) -> String {
    match fit {
        Fit::CentreCrop(share) => format!("crop{}", bits(&[share])),
        Fit::Squash => "squash".to_owned(),
    }
}

fn kind(kind: OutputKind) -> &'static str {
    match kind {
        OutputKind::Logits => "logits",
        OutputKind::Probabilities => "probabilities",
    }
}

/// A blank and the bits of each number.
fn bits(numbers: &[f32]) -> String {
    let mut text = String::new();
    for number in numbers {
        // Writing to a string cannot fail.
        let _ = write!(text, " {:08x}", number.to_bits());
    }
    text
}
