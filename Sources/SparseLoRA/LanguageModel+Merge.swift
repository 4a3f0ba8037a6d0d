// Merging an adapter into a model folder.

internal import Adapters
internal import Checkpoints
public import FileSupport
internal import Models
internal import TensorEngine
internal import Tokenization
public import Training

extension LanguageModel {
    /// Writes a Hugging Face model folder with an adapter folded into its base: W + scale * B A, summed in f32.
    ///
    /// The folder appears when it is complete.
    /// - Parameters:
    ///   - path: the base model: a folder or a GGUF file, read in full precision.
    ///   - adapter: a folder in PEFT's format, or a run's output folder.
    ///   - folder: must not exist, or be empty.
    ///   - type: what the merged weights are rounded to, once.
    /// - Throws: `InputError` when something cannot be read, does not fit together, or cannot be written.
    public static func merge(
        model path: String, adapter: String, into folder: String, type: ComputeType = .bfloat16
    ) throws(InputError) {
        let model = try LanguageModel(path: path, computeType: type)
        try model.useAdapter(at: adapter)
        guard let adapters = model.adapter else { return }
        try adapters.writeMerged(
            model.source, to: folder, backend: model.decoder.backend,
            as: type == .bfloat16 ? .bfloat16 : .float32
        ) { partial throws(InputError) in
            guard let file = model.source.gguf else { return }
            try GGUFTokenizerMetadata(file.metadata).writeHuggingFaceFiles(
                to: partial, modelMaximumLength: model.decoder.configuration.maximumPositions)
        }
    }
}
