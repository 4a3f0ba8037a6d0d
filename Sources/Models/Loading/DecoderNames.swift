// What tensors are called in files: as transformers names them, as older checkpoints do, or as GGUF does.

import Checkpoints

/// Names of a decoder inside a model of images and text.
enum DecoderNames {
    /// In transformers 5, and in adapters for it.
    static let wrapped = "model.language_model"
    /// In checkpoints, before and after transformers renames them.
    private static let older = "language_model.model"
    private static let head = "lm_head."
    private static let olderHead = "language_model.lm_head."

    static func older(_ name: String) -> String {
        if name.hasPrefix(head) { return olderHead + name.dropFirst(head.count) }
        return name.hasPrefix("\(wrapped).") ? older + name.dropFirst(wrapped.count) : name
    }

    /// nil for tensors of anything but the decoder.
    static func newer(_ name: String) -> String? {
        if name.hasPrefix(olderHead) { return head + name.dropFirst(olderHead.count) }
        if name.hasPrefix("\(older).") { return wrapped + name.dropFirst(older.count) }
        return name.hasPrefix("\(wrapped).") || name.hasPrefix(head) ? name : nil
    }
}

extension ModelSource {
    private var isWrapped: Bool { decoderName == DecoderNames.wrapped }

    /// The name in the file of a tensor with this Hugging Face name.
    package func storedName(ofTensor name: String) -> String {
        guard gguf != nil else {
            let older = DecoderNames.older(name)
            return isWrapped && weights.contains(older) ? older : name
        }
        guard let stored = family.ggufName(ofTensor: name) else {
            preconditionFailure("the family \(family.modelType) has no GGUF name for \(name)")
        }
        return stored
    }

    /// The Hugging Face name of a tensor of the file, nil for one that is not part of the decoder.
    package func huggingFaceName(ofStored name: String) -> String? {
        if gguf != nil { return family.huggingFaceName(ofTensor: name) }
        return isWrapped ? DecoderNames.newer(name) : name
    }
}
