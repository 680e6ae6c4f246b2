// See row_places.h. The operators run on the detector's thread, called by the interpreter.
#include "row_places.h"

#include "graph_nodes.h"
#include "tap_op.h"

namespace nacue {

namespace {

using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

thread_local const PartOfBatch* current_part = nullptr;

// The operand that holds the rows, by its index; nothing for other nodes.
std::optional<size_t> RowsOf(const Node* node) {
  if (node->kind() == c10::aten::linear || node->kind() == c10::aten::matmul || node->kind() == c10::aten::mm) return 0;
  if (node->kind() == c10::aten::addmm) return 1;
  return std::nullopt;
}

void PlaceRowsOf(Graph& graph, Node* product, size_t rows) {
  const TapSymbols& symbols = RegisteredTapSymbols();
  Value* const input = product->input(rows);
  Node* const place = graph.create(symbols.place_rows, {input}, /*num_outputs=*/1);
  place->output()->setType(input->type());
  place->insertBefore(product);
  product->replaceInput(rows, place->output());
  Value* const output = product->output();
  Node* const take = graph.create(symbols.take_rows, {output, input}, /*num_outputs=*/1);
  take->output()->setType(output->type());
  take->insertAfter(product);
  output->replaceAllUsesAfterNodeWith(take, take->output());
}

}  // namespace

void KeepRowPlaces(Graph& graph) {
  ForEachNode(graph.block(), [&](Node* node, bool) {
    if (const auto rows = RowsOf(node)) PlaceRowsOf(graph, node, *rows);
  });
}

PartOfBatch::PartOfBatch(int64_t first, int64_t count, int64_t batch_size)
    : first_(first), count_(count), batch_size_(batch_size) {
  current_part = this;
}

PartOfBatch::~PartOfBatch() {
  current_part = nullptr;
}

const PartOfBatch* PartOfBatch::Current() {
  return current_part;
}

at::Tensor PlaceRows(const at::Tensor& rows) {
  const PartOfBatch* const part = PartOfBatch::Current();
  if (part == nullptr || rows.dim() != 2 || rows.size(0) != part->count()) return rows;
  const int64_t after = part->batch_size() - part->first() - part->count();
  return at::cat({rows.new_zeros({part->first(), rows.size(1)}), rows, rows.new_zeros({after, rows.size(1)})});
}

at::Tensor TakeRows(const at::Tensor& product, const at::Tensor& rows) {
  const PartOfBatch* const part = PartOfBatch::Current();
  const bool is_placed = part != nullptr && rows.dim() == 2 && rows.size(0) == part->count();
  return is_placed ? product.narrow(0, part->first(), part->count()).clone() : product;
}

}  // namespace nacue
