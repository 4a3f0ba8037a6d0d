// Raw logits, for comparing with other programs.

internal import Checkpoints
package import FileSupport
internal import Models

extension LanguageModel {
    /// Writes the logits of each sequence as tensor `logits.N`, f32 [T, V], into a safetensors file.
    package func writeLogits(of sequences: [[Int32]], to path: String) throws(InputError) {
        var tensors: [OutputTensor] = []
        for (index, sequence) in sequences.enumerated() {
            let values = try decoder.logits(PackedSequences([sequence]))
            tensors.append(
                OutputTensor(
                    name: "logits.\(index)", type: .float32,
                    shape: [sequence.count, decoder.configuration.vocabularySize], values: values))
        }
        try SafetensorsWriter.write(tensors, to: path)
    }
}
