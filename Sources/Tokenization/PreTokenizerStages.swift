// The order of work of a pre-tokenizer: text is changed, then split, then perhaps changed again.

import FileSupport

/// Where in a text a part of it starts.
enum PartStart: Sendable {
    /// At its start.
    case text
    /// Behind an added token that is cut out before the text is normalised.
    case section
    /// Where the pre-tokenizer divides, or behind an added token of the normalised text.
    case piece
    /// Inside what belongs together: the part continues the one before.
    case inside
}

extension PreTokenizer {
    /// Steps that only split, behind at most one that changes the text.
    struct Stage: Sendable {
        enum Rewrite: Sendable {
            case prefixSpace
            case metaspace(replacement: [UInt8], prependScheme: Metaspace.PrependScheme)
        }

        var rewrite: Rewrite?
        var steps: [Step] = []
    }

    /// Stages call each other for every piece, so there may not be any number of them.
    private static let mostStages = 16

    /// At least one stage.
    func stages(location: String) throws(InputError) -> [Stage] {
        var stages = [Stage()]
        for step in steps {
            switch step {
            case .prefixSpace:
                stages.append(Stage(rewrite: .prefixSpace))
            case .metaspace(let metaspace):
                stages.append(
                    Stage(
                        rewrite: .metaspace(
                            replacement: Array(String(metaspace.replacement).utf8),
                            prependScheme: metaspace.prependScheme),
                        steps: metaspace.split.map { [.split($0)] } ?? []))
            case .digits, .gpt2Words, .llama3Words, .split:
                stages[stages.count - 1].steps.append(step)
            }
        }
        if stages.count > 1, stages[0].steps.isEmpty { stages.removeFirst() }
        guard stages.count <= Self.mostStages else {
            throw InputError(
                location, expected: "at most \(Self.mostStages) pre-tokenizers that change the text",
                found: "\(stages.count)")
        }
        return stages
    }
}

extension PreTokenizer.Stage.Rewrite {
    /// The changed text, or nil where nothing changes.
    func applied(_ text: Slice<UnsafeBufferPointer<UInt8>>, start: PartStart) -> [UInt8]? {
        switch self {
        case .prefixSpace:
            return start == .inside || text.first == UInt8(ascii: " ") ? nil : [UInt8(ascii: " ")] + text
        case .metaspace(let replacement, let prependScheme):
            let prepends =
                prependScheme == .always && start != .inside || prependScheme == .first && start == .text
            let startsWithOne = text.first == UInt8(ascii: " ") || text.starts(with: replacement)
            var result: [UInt8] = prepends && !startsWithOne ? replacement : []
            result.reserveCapacity(text.count + text.count / 2 + 8)
            for byte in text {
                if byte == UInt8(ascii: " ") { result += replacement } else { result.append(byte) }
            }
            return result
        }
    }
}
