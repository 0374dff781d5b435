//! What an engine is valid for.

use serde::{Deserialize, Serialize};

use super::Platform;
use crate::models::{InputSpec, Layout, Sha256Hex};

/// Digits of the digest in names of files: enough that two keys of one model never share them.
const DIGITS: usize = 16;

/// Everything that makes an engine invalid if it changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineKey {
    /// The ONNX file.
    weights: Sha256Hex,
    /// Its input, the most frames of a run first: one file can be opened with several.
    shape: [u32; 4],
    /// The numbers that TensorRT reckons with, as in `fp16`.
    precision: String,
    /// The version of ONNX Runtime, which cuts the graph into parts.
    onnxruntime: String,
    /// Where it was made.
    platform: Platform,
}

impl EngineKey {
    /// The key of the engines of a model whose runs have so many frames at most.
    pub fn new(
        weights: &Sha256Hex,
        input: &InputSpec,
        frames: u32,
        precision: &str,
        onnxruntime: String,
        platform: &Platform,
    ) -> Self {
        let (height, width) = (input.height, input.width);
        let shape = match input.layout {
            Layout::Nchw => [frames, 3, height, width],
            Layout::Nhwc => [frames, height, width, 3],
        };
        Self {
            weights: weights.clone(),
            shape,
            precision: precision.to_owned(),
            onnxruntime,
            platform: platform.clone(),
        }
    }

    /// The key in a file's name.
    pub fn short_digest(&self) -> String {
        let fields = self.fields().map(|(name, value)| format!("{name}={value}\n"));
        Sha256Hex::of(fields.concat().as_bytes()).as_str()[..DIGITS].to_owned()
    }

    /// What is another in this key than in an `earlier` one, in words.
    pub fn changes_since(&self, earlier: &Self) -> String {
        let pairs = self.fields().into_iter().zip(earlier.fields());
        let changed = pairs.filter(|(now, before)| now != before);
        let words =
            changed.map(|((name, now), (_, before))| format!("{name} {now} (was {before})"));
        words.collect::<Vec<_>>().join(", ")
    }

    fn fields(&self) -> [(&'static str, String); 8] {
        let Self { weights, shape, precision, onnxruntime, platform } = self;
        let Platform { tensorrt, cuda, gpu, l4t } = platform;
        let stated = |value: &Option<String>| value.clone().unwrap_or_else(|| "unknown".to_owned());
        [
            ("weights", weights.to_string()),
            ("input", shape.map(|side| side.to_string()).join("x")),
            ("precision", precision.clone()),
            ("ONNX Runtime", onnxruntime.clone()),
            ("TensorRT", stated(tensorrt)),
            ("CUDA", stated(cuda)),
            ("GPU", stated(gpu)),
            ("L4T", stated(l4t)),
        ]
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::models::{Channels, Fit, Resize};

    pub fn input(layout: Layout, width: u32, height: u32) -> InputSpec {
        InputSpec {
            name: "input".to_owned(),
            layout,
            width,
            height,
            channels: Channels::Rgb,
            mean: [0.0; 3],
            std: [1.0; 3],
            resize: Resize::Bilinear,
            fit: Fit::Squash,
        }
    }

    /// The platform of a Jetson TX2 with JetPack 4.6.
    pub fn tx2() -> Platform {
        let stated = |text: &str| Some(text.to_owned());
        Platform {
            tensorrt: stated("8.0.1"),
            cuda: stated("10.2.300"),
            gpu: stated("tegra186"),
            l4t: stated("32.6.1"),
        }
    }

    pub fn key() -> EngineKey {
        let weights = Sha256Hex::of(b"weights");
        let input = input(Layout::Nchw, 224, 160);
        EngineKey::new(&weights, &input, 1, "fp16", "1.11.0".to_owned(), &tx2())
    }

    #[test]
    fn everything_that_makes_an_engine_invalid_makes_another_key() {
        let key = key();
        let mut others = vec![
            EngineKey { weights: Sha256Hex::of(b"other"), ..key.clone() },
            EngineKey { shape: [1, 3, 224, 160], ..key.clone() },
            EngineKey { shape: [2, 3, 160, 224], ..key.clone() },
            EngineKey { precision: "fp32".to_owned(), ..key.clone() },
            EngineKey { onnxruntime: "1.12.0".to_owned(), ..key.clone() },
        ];
        let other = || Some("other".to_owned());
        let platforms = [
            Platform { tensorrt: other(), ..tx2() },
            Platform { cuda: other(), ..tx2() },
            Platform { gpu: other(), ..tx2() },
            Platform { l4t: other(), ..tx2() },
            Platform { l4t: None, ..tx2() },
        ];
        others.extend(platforms.map(|platform| EngineKey { platform, ..key.clone() }));
        let mut digests: Vec<String> = others.iter().map(EngineKey::short_digest).collect();
        digests.push(key.short_digest());
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), 11);
        assert_eq!(key.short_digest(), tests::key().short_digest(), "the same twice");
    }

    #[test]
    fn the_layout_is_part_of_the_shape() {
        let shape = |layout| {
            let input = input(layout, 224, 160);
            EngineKey::new(&Sha256Hex::of(b""), &input, 1, "fp16", String::new(), &tx2()).shape
        };
        assert_eq!(shape(Layout::Nchw), [1, 3, 160, 224]);
        assert_eq!(shape(Layout::Nhwc), [1, 160, 224, 3]);
    }

    #[test]
    fn changes_are_named() {
        let platform = Platform { tensorrt: Some("8.2.1".to_owned()), cuda: None, ..tx2() };
        let newer = EngineKey { platform, ..key() };
        let changes = newer.changes_since(&key());
        assert_eq!(changes, "TensorRT 8.2.1 (was 8.0.1), CUDA unknown (was 10.2.300)");
        assert_eq!(key().changes_since(&key()), "");
    }
}
