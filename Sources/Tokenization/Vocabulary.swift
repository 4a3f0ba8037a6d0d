// The tokens of a model by id and by bytes, in two flat arrays and one hash table.

import FileSupport

/// Token bytes by id, and ids by bytes. Ids may have gaps.
///
/// Keys are bytes, never `String`: Swift holds canonically equal strings to be one key.
struct Vocabulary: Sendable {
    /// How the file wrote a token.
    enum Spelling: UInt8, Sendable {
        /// No token has this id.
        case absent
        /// In the byte alphabet: `bytes(of:)` are the bytes that the characters stand for.
        case byteLevel
        /// As it is, for a vocabulary of text or a character outside the byte alphabet: `bytes(of:)` are its UTF-8.
        case literal
    }

    private var bytes: [UInt8] = []
    private var ends: [Int] = []
    private var spellings: [Spelling] = []
    /// Open-addressing table of the ids that `id(of:)` finds; -1 when a slot is empty.
    private var slots: [Int32]
    /// Tokens of a byte-level vocabulary that no bytes are encoded to: written outside the byte alphabet.
    private var literalIDs: [[UInt8]: Int32] = [:]
    private let usesByteAlphabet: Bool
    private let hashSeed = UInt64.random(in: 0...UInt64.max)

    /// Ids must stay below this, so that a hostile file cannot claim memory by one large id.
    static let maximumSize = 1 << 22

    /// The tokens must be sorted by id. In a vocabulary that does not use the byte alphabet each stands for its text.
    init(_ tokens: [TokenizerDefinition.Token], usesByteAlphabet: Bool, location: String) throws(InputError) {
        self.usesByteAlphabet = usesByteAlphabet
        let highest = tokens.last.map(\.id) ?? -1
        guard tokens.first.map(\.id) ?? 0 >= 0, highest < Self.maximumSize else {
            throw InputError(
                location, expected: "token ids from 0 to \(Self.maximumSize - 1)",
                found: "\(tokens.first.map(\.id) ?? 0) to \(highest)")
        }
        var slotCount = 16
        while slotCount < 2 * tokens.count { slotCount *= 2 }
        slots = [Int32](repeating: -1, count: slotCount)
        ends.reserveCapacity(highest + 1)
        spellings.reserveCapacity(highest + 1)
        for token in tokens {
            guard token.id >= ends.count else {
                throw InputError(
                    location,
                    "token id \(token.id) is given to more than one token, among them \"\(token.content)\"")
            }
            while ends.count < token.id {
                ends.append(bytes.count)
                spellings.append(.absent)
            }
            try append(token, location: location)
        }
    }

    private mutating func append(_ token: TokenizerDefinition.Token, location: String) throws(InputError) {
        let start = bytes.count
        let isByteLevel = usesByteAlphabet && ByteAlphabet.appendBytes(ofToken: token.content, to: &bytes)
        if !isByteLevel { bytes += token.content.utf8 }
        ends.append(bytes.count)
        spellings.append(isByteLevel ? .byteLevel : .literal)
        let id = Int32(token.id)
        let previous: Int32?
        if isByteLevel || !usesByteAlphabet {
            let slot = bytes.withUnsafeBufferPointer { findSlot(UnsafeBufferPointer(rebasing: $0[start...])) }
            previous = slots[slot] >= 0 ? slots[slot] : nil
            slots[slot] = id
        } else {
            previous = literalIDs.updateValue(id, forKey: Array(token.content.utf8))
        }
        if let previous {
            throw InputError(location, "token \"\(token.content)\" has two ids, \(previous) and \(token.id)")
        }
    }

    /// Highest id plus one.
    var size: Int { ends.count }

    func spelling(of id: Int32) -> Spelling {
        id >= 0 && Int(id) < spellings.count ? spellings[Int(id)] : .absent
    }

    /// The bytes of a token, see `Spelling`; empty for an id without a token.
    func bytes(of id: Int32) -> ArraySlice<UInt8> {
        guard id >= 0, Int(id) < ends.count else { return [] }
        return bytes[(id == 0 ? 0 : ends[Int(id) - 1])..<ends[Int(id)]]
    }

    /// The id of the token that stands for exactly these bytes.
    func id(of key: UnsafeBufferPointer<UInt8>) -> Int32? {
        let id = slots[findSlot(key)]
        return id >= 0 ? id : nil
    }

    /// The id of a token as the file writes it.
    func id(ofToken token: String) -> Int32? {
        var key = usesByteAlphabet ? [] : Array(token.utf8)
        guard !usesByteAlphabet || ByteAlphabet.appendBytes(ofToken: token, to: &key) else {
            return literalIDs[Array(token.utf8)]
        }
        return key.withUnsafeBufferPointer { id(of: $0) }
    }

    /// The slot that holds `key`, or the empty one where it would go.
    private func findSlot(_ key: UnsafeBufferPointer<UInt8>) -> Int {
        var hash = hashSeed
        for byte in key { hash = (hash ^ UInt64(byte)) &* 0x9E37_79B9_7F4A_7C15; hash ^= hash >> 29 }
        var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
        while slots[slot] >= 0, !bytes(of: slots[slot]).elementsEqual(key) {
            slot = (slot + 1) & (slots.count - 1)
        }
        return slot
    }
}
