// The public face of the package: one import gives a user of the library everything.

@_exported public import Adapters
@_exported public import ChatTemplates
@_exported public import ContextualSparsity
@_exported public import Evaluation
@_exported public import FileSupport
@_exported public import Tokenization
@_exported public import Training
