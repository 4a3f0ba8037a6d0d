// What preparing data needs of a tokenizer, so that tests can bring a small one.

package import FileSupport
package import Tokenization

package protocol TextEncoder {
    func encode(_ text: String, addSpecialTokens: Bool) -> [Int32]
    /// The tokens of a text that comes in parts: none crosses from one into the next.
    func encode(parts: [String]) -> [[Int32]]
    func bytes(of id: Int32) -> [UInt8]?
    func isSpecial(_ id: Int32) -> Bool
    /// What stands before every text, such as a token that begins it.
    var prefix: [Int32] { get }
    var specialTokens: SpecialTokens { get }
}

extension Tokenizer: TextEncoder {
    package func encode(_ text: String, addSpecialTokens: Bool) -> [Int32] {
        encode(text, addSpecialTokens: addSpecialTokens, recognizeSpecialTokens: true)
    }
}

extension TextEncoder {
    /// The variables that chat templates expect beside the conversation: the special tokens as text.
    package var templateVariables: JSONObject {
        var variables = JSONObject()
        let named = [
            ("bos_token", specialTokens.beginningOfText), ("eos_token", specialTokens.endOfText),
            ("pad_token", specialTokens.padding), ("unk_token", specialTokens.unknown),
        ]
        for (name, id) in named {
            guard let id, let bytes = bytes(of: id) else { continue }
            variables[name] = .string(String(decoding: bytes, as: UTF8.self))
        }
        return variables
    }

    /// A text that begins a sequence: with the prefix, unless the text spells it out already.
    package func encodeBeginning(_ text: String) -> [Int32] {
        withPrefix(encode(text, addSpecialTokens: false))
    }

    /// Tokens that begin a sequence, with the prefix unless they start with it.
    package func withPrefix(_ tokens: [Int32]) -> [Int32] {
        tokens.starts(with: prefix) ? tokens : prefix + tokens
    }
}
