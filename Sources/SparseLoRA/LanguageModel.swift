// A model as a user holds it: weights, tokenizer and chat template together.

package import Adapters
public import ChatTemplates
internal import Checkpoints
public import FileSupport
package import Models
package import TensorEngine
public import Tokenization
public import Training

/// A language model loaded from a Hugging Face folder or a GGUF file, with its tokenizer and chat template.
///
/// One thread drives a model; use one instance per thread.
public final class LanguageModel {
    /// Where the model came from.
    public let path: String
    /// Text to tokens and back.
    public let tokenizer: Tokenizer
    /// Turns conversations into text; nil when the model has none.
    public let chatTemplate: ChatTemplate?
    /// The floating-point type that the model computes in.
    public let computeType: ComputeType
    package let source: ModelSource
    package let decoder: CausalLM
    /// The adapter in use, if any.
    package var adapter: AdapterSet?

    /// Loads a model.
    ///
    /// - Parameters:
    ///   - path: a folder with `config.json`, safetensors and `tokenizer.json`, or a GGUF file.
    ///   - computeType: bf16, or f32 for reference results at twice the memory.
    /// - Throws: `InputError` naming file, key or tensor when the model is damaged, incomplete or not supported, or
    ///   does not fit the machine's memory.
    public convenience init(path: String, computeType: ComputeType = .bfloat16) throws(InputError) {
        let source = try ModelSource(path: path)
        try self.init(source, tokenizer: Self.tokenizer(of: source), computeType: computeType)
    }

    package init(
        _ source: ModelSource, tokenizer: Tokenizer, computeType: ComputeType,
        backend: any Backend = CPUBackend()
    ) throws(InputError) {
        self.source = source
        self.tokenizer = tokenizer
        self.computeType = computeType
        path = source.path
        chatTemplate = try Self.chatTemplate(of: tokenizer, path: source.path)
        decoder = try CausalLM(source, computeType: computeType.elementType, backend: backend)
    }

    static func tokenizer(of source: ModelSource) throws(InputError) -> Tokenizer {
        guard let file = source.gguf else { return try Tokenizer(folder: source.path) }
        return try Tokenizer(gguf: file.metadata)
    }

    static func chatTemplate(of tokenizer: Tokenizer, path: String) throws(InputError) -> ChatTemplate? {
        guard let text = tokenizer.chatTemplates["default"] else { return nil }
        return try ChatTemplate(source: text, location: path)
    }

    /// What to know of `SPARSELORA_ISA` as it is set: that it is not followed, or asks for what the processor hides; else
    /// nil.
    public static var environmentProblem: String? { CPUBackend.settingProblem }

    /// The value of `SPARSELORA_ISA` for a faster instruction set that this processor executes without announcing it, as
    /// in some virtual machines; nil where there is none or it is in use. Not used unasked: a virtual machine may move to
    /// a processor without it.
    public static var hiddenInstructionSet: String? {
        InstructionSet.hidden.flatMap { $0 == .current ? nil : $0.rawValue }
    }

    /// Parameters of the base model.
    public var parameterCount: Int {
        source.weights.tensorNames.reduce(0) { sum, name in
            sum + ((try? source.weights.tensor(named: name).elementCount) ?? 0)
        }
    }

    /// The longest sequence that the model was made for, in tokens.
    public var contextLength: Int { decoder.configuration.maximumPositions }

    /// Applies a trained adapter to the model, replacing the one in use.
    ///
    /// - Parameter path: a folder in PEFT's format, such as the output folder of a run.
    /// - Throws: `InputError` when the adapter is damaged, belongs to another model or needs what is not supported.
    public func useAdapter(at path: String) throws(InputError) {
        removeAdapter()
        adapter = try AdapterSet.load(Self.adapterFolder(path), into: decoder)
    }

    /// The adapter's own folder when a path names it or the run folder that holds it.
    package static func adapterFolder(_ path: String) throws(InputError) -> String {
        for folder in [path, "\(path)/adapter"]
        where FileStatus(path: "\(folder)/adapter_config.json") == .file {
            return folder
        }
        throw InputError(
            path, "there is no adapter (no adapter_config.json)",
            advice: "Give a folder in PEFT's format, or the output folder of a finished run.")
    }

    /// Back to the base model.
    public func removeAdapter() {
        adapter?.remove(from: decoder)
        adapter = nil
    }

    /// Tokens that end an answer.
    package var endTokens: Set<Int32> {
        Set(
            source.endTokens + tokenizer.specialTokens.endOfTurn
                + [tokenizer.specialTokens.endOfText].compactMap { $0 })
    }

    /// The tokens of a conversation, the assistant's turn opened.
    ///
    /// - Throws: `InputError` when the model has no chat template or the template refuses the conversation.
    public func promptTokens(
        for messages: [ChatMessage], tools: JSONValue? = nil
    ) throws(InputError) -> [Int32] {
        try promptTokens(for: Conversation(messages, tools: tools))
    }

    /// The tokens of a conversation, the assistant's turn opened, with what the conversation gives the template.
    ///
    /// - Throws: as `promptTokens(for:tools:)`.
    public func promptTokens(for conversation: Conversation) throws(InputError) -> [Int32] {
        guard let chatTemplate else {
            throw InputError(path, "the model has no chat template", advice: "Give the prompt as plain text.")
        }
        var conversation = conversation
        conversation.messages = TemplateConventions(of: chatTemplate).applied(to: conversation.messages)
        let chat = try chatTemplate.rendered(
            conversation, addGenerationPrompt: true, variables: tokenizer.templateVariables)
        return tokenizer.encode(chat.text, addSpecialTokens: false)
    }
}

extension ComputeType {
    /// The engine's name of the type.
    package var elementType: ElementType { self == .bfloat16 ? .bfloat16 : .float32 }
}
