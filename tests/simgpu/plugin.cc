// GPUs without a GPU: a plug-in for TensorFlow that shows any number of devices of type GPU, backed by host memory.
//
// TensorFlow loads it from a folder `tensorflow-plugins` beside its own. The device half answers the C API of
// StreamExecutor; everything is done at once, so streams and events are nothing but addresses. The kernel half registers
// a kernel for GPU wherever a CUDA build has one, and hands the work to the CPU kernel of the same operation: that is
// possible because device memory is host memory and every local device has the thread pool that CPU kernels use.
//
// Set by variables; those with a value for each card take several, divided by commas, of which the last one repeats:
//   SIMGPU_DEVICES     how many cards the machine has
//   SIMGPU_MEMORY, SIMGPU_USED    bytes of each card, and how many of them others have taken
//   SIMGPU_NAME, SIMGPU_CAPABILITY, SIMGPU_PCI, SIMGPU_UUID    of each card
//   SIMGPU_ORDER       numbers of the cards in the order in which a program sees them, as CUDA puts the fastest first
//   CUDA_VISIBLE_DEVICES    narrows and reorders them further, by number or UUID
//   SIMGPU_FAULT       `KIND@PLACE:CARD:OPERATION:ARGUMENT`, several divided by semicolons; empty parts match everything.
//                      KIND  wrong, nan (the result), hang, crash, kill, slow (ARGUMENT in ms), error (ARGUMENT its text)
//                      PLACE kernel; context, while TensorFlow makes the device; part, what a device gives to an all-reduce
// The kernels that GPUs have stand in `kernels.txt` beside this library.
#include <dlfcn.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tensorflow/c/experimental/grappler/grappler.h"
#include "tensorflow/c/experimental/stream_executor/stream_executor.h"
#include "tensorflow/c/kernels.h"
#include "tensorflow/core/common_runtime/function.h"
#include "tensorflow/core/common_runtime/pluggable_device/pluggable_device_factory.h"
#include "tensorflow/core/framework/kernel_def.pb.h"
#include "tensorflow/core/framework/op_kernel.h"

namespace {

using tensorflow::Device;
using tensorflow::DeviceFactory;
using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
// `tensorflow::Status` until 2.11, `absl::Status` later.
using Status = std::decay_t<decltype(std::declval<OpKernelContext>().status())>;

constexpr char kPlatform[] = "SIMULATED";
constexpr uint64_t kPage = 4096;

// ------------------------------------------------------------------------------------------------ what the test asks

std::vector<std::string> Split(const std::string& text, char by) {
  std::vector<std::string> parts;
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, by);) parts.push_back(part);
  return parts;
}

std::string Variable(const char* name, const char* otherwise) {
  const char* text = getenv(name);
  return text ? text : otherwise;
}

std::string OfCard(int card, const char* name, const char* otherwise) {
  const std::vector<std::string> values = Split(Variable(name, otherwise), ',');
  return values[std::min<size_t>(card, values.size() - 1)];
}

std::string Hex(int number) {
  char text[16];
  snprintf(text, sizeof text, "%02x", number);
  return text;
}

std::string Pci(int card) { return OfCard(card, "SIMGPU_PCI", ("0000:" + Hex(0x1a + card) + ":00.0").c_str()); }
std::string Uuid(int card) { return OfCard(card, "SIMGPU_UUID", ("GPU-aaaa-" + std::to_string(card)).c_str()); }

// Cards that this process sees: the position is the number by which TensorFlow knows the card.
std::vector<int> Visible() {
  std::vector<int> order;
  for (const std::string& each : Split(Variable("SIMGPU_ORDER", ""), ',')) order.push_back(std::stoi(each));
  for (int card = order.size(); card < std::stoi(Variable("SIMGPU_DEVICES", "2")); ++card) order.push_back(card);
  const char* narrowed = getenv("CUDA_VISIBLE_DEVICES");
  if (!narrowed) return order;
  std::vector<int> seen;
  for (const std::string& wanted : Split(narrowed, ',')) {
    int found = -1;
    for (size_t position = 0; position < order.size(); ++position) {
      if (wanted == std::to_string(position) || (wanted.size() > 4 && Uuid(order[position]).rfind(wanted, 0) == 0))
        found = order[position];
    }
    if (found < 0) break;  // as CUDA does: what stands behind an invalid number is invisible
    seen.push_back(found);
  }
  return seen;
}

struct Fault {
  std::string kind, argument;
};

// The fault for this place, or one without a kind.
Fault FaultAt(const std::string& place, int card, const std::string& operation) {
  static const std::string told = Variable("SIMGPU_FAULT", "");
  for (const std::string& each : Split(told, ';')) {
    std::vector<std::string> parts = Split(each, ':');
    const std::vector<std::string> head = Split(parts[0], '@');
    parts.resize(std::max<size_t>(parts.size(), 4));
    for (size_t more = 4; more < parts.size(); ++more) parts[3] += ":" + parts[more];
    if ((head.size() > 1 ? head[1] : "kernel") == place && (parts[1].empty() || parts[1] == std::to_string(card)) &&
        (parts[2].empty() || parts[2] == operation))
      return {head[0], parts[3]};
  }
  return {};
}

// What strikes before the work; the result is spoilt afterwards.
Status Strike(const Fault& fault) {
  if (fault.kind == "hang")
    for (;;) pause();
  if (fault.kind == "crash") raise(SIGSEGV);
  if (fault.kind == "kill") raise(SIGKILL);
  if (fault.kind == "slow") usleep(1000 * std::stoi(fault.argument));
  if (fault.kind == "error") {
    if (fault.argument.rfind("RESOURCE_EXHAUSTED ", 0) == 0)
      return tensorflow::errors::ResourceExhausted(fault.argument.substr(19));
    return tensorflow::errors::Internal(fault.argument);
  }
  return Status();
}

// ------------------------------------------------------------------------------------------------- the device half

void Allocate(const SP_Device*, uint64_t size, int64_t, SP_DeviceMemoryBase* memory) {
  // Without reservation: a card of 80 GB costs nothing until it is written to. The size lies in a page before it.
  void* found = mmap(nullptr, size + kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  memory->struct_size = SP_DEVICE_MEMORY_BASE_STRUCT_SIZE;
  memory->opaque = found == MAP_FAILED ? nullptr : static_cast<char*>(found) + kPage;
  memory->size = memory->opaque ? size : 0;
  if (memory->opaque) *static_cast<uint64_t*>(found) = size + kPage;
}
void Deallocate(const SP_Device*, SP_DeviceMemoryBase* memory) {
  if (!memory->opaque) return;
  char* start = static_cast<char*>(memory->opaque) - kPage;
  munmap(start, *reinterpret_cast<uint64_t*>(start));
  memory->opaque = nullptr;
}
void* HostAllocate(const SP_Device*, uint64_t size) { return aligned_alloc(64, (size + 63) / 64 * 64); }
void HostDeallocate(const SP_Device*, void* memory) { free(memory); }
TF_Bool NoStats(const SP_Device*, SP_AllocatorStats*) { return false; }
TF_Bool MemoryUsage(const SP_Device* device, int64_t* free, int64_t* total) {
  const int card = Visible()[device->ordinal];
  *total = std::stoll(OfCard(card, "SIMGPU_MEMORY", "2147483648"));
  *free = *total - std::stoll(OfCard(card, "SIMGPU_USED", "0"));
  return true;
}

// Streams, events and timers: all work is done when the call returns, so an address is all that they are.
template <typename T>
void Make(const SP_Device*, T* made, TF_Status*) { *made = reinterpret_cast<T>(new char); }
template <typename T>
void Drop(const SP_Device*, T made) { delete reinterpret_cast<char*>(made); }
template <typename... T>
void Nothing(const SP_Device*, T...) {}
SE_EventStatus Complete(const SP_Device*, SP_Event) { return SE_EVENT_COMPLETE; }

void Dtoh(const SP_Device*, void* to, const SP_DeviceMemoryBase* from, uint64_t size, TF_Status*) {
  memcpy(to, from->opaque, size);
}
void Htod(const SP_Device*, SP_DeviceMemoryBase* to, const void* from, uint64_t size, TF_Status*) {
  memcpy(to->opaque, from, size);
}
void Dtod(const SP_Device*, SP_DeviceMemoryBase* to, const SP_DeviceMemoryBase* from, uint64_t size, TF_Status*) {
  memmove(to->opaque, from->opaque, size);
}
TF_Bool HostCallback(const SP_Device*, SP_Stream, SE_StatusCallbackFn function, void* argument) {
  TF_Status* fine = TF_NewStatus();
  function(argument, fine);
  TF_DeleteStatus(fine);
  return true;
}

void CreateStreamExecutor(const SP_Platform*, SE_CreateStreamExecutorParams* params, TF_Status*) {
  SP_StreamExecutor* se = params->stream_executor;
  se->struct_size = SP_STREAMEXECUTOR_STRUCT_SIZE;
  se->allocate = Allocate;
  se->deallocate = Deallocate;
  se->host_memory_allocate = se->unified_memory_allocate = HostAllocate;
  se->host_memory_deallocate = se->unified_memory_deallocate = HostDeallocate;
  se->get_allocator_stats = NoStats;
  se->device_memory_usage = MemoryUsage;
  se->create_stream = Make<SP_Stream>;
  se->destroy_stream = Drop<SP_Stream>;
  se->create_stream_dependency = Nothing;
  se->get_stream_status = Nothing;
  se->create_event = Make<SP_Event>;
  se->destroy_event = Drop<SP_Event>;
  se->get_event_status = Complete;
  se->record_event = Nothing;
  se->wait_for_event = Nothing;
  se->create_timer = Make<SP_Timer>;
  se->destroy_timer = Drop<SP_Timer>;
  se->start_timer = se->stop_timer = Nothing;
  se->memcpy_dtoh = [](const SP_Device* device, SP_Stream, void* to, const SP_DeviceMemoryBase* from, uint64_t size,
                       TF_Status* status) { Dtoh(device, to, from, size, status); };
  se->memcpy_htod = [](const SP_Device* device, SP_Stream, SP_DeviceMemoryBase* to, const void* from, uint64_t size,
                       TF_Status* status) { Htod(device, to, from, size, status); };
  se->memcpy_dtod = [](const SP_Device* device, SP_Stream, SP_DeviceMemoryBase* to, const SP_DeviceMemoryBase* from,
                       uint64_t size, TF_Status* status) { Dtod(device, to, from, size, status); };
  se->sync_memcpy_dtoh = Dtoh;
  se->sync_memcpy_htod = Htod;
  se->sync_memcpy_dtod = Dtod;
  se->block_host_for_event = Nothing;
  se->block_host_until_done = Nothing;
  se->synchronize_all_activity = Nothing;
  se->mem_zero = [](const SP_Device*, SP_Stream, SP_DeviceMemoryBase* place, uint64_t size, TF_Status*) {
    memset(place->opaque, 0, size);
  };
  se->memset = [](const SP_Device*, SP_Stream, SP_DeviceMemoryBase* place, uint8_t pattern, uint64_t size, TF_Status*) {
    memset(place->opaque, pattern, size);
  };
  se->memset32 = [](const SP_Device*, SP_Stream, SP_DeviceMemoryBase* place, uint32_t pattern, uint64_t size,
                    TF_Status*) { std::fill_n(static_cast<uint32_t*>(place->opaque), size / 4, pattern); };
  se->host_callback = HostCallback;
}

// ------------------------------------------------------------------- devices with a name, a capability and a PCI address

std::mutex mutex;
// Card by the full name of TensorFlow's device.
std::map<std::string, int>& Cards() {
  static auto* cards = new std::map<std::string, int>;
  return *cards;
}

int CardOf(tensorflow::DeviceBase* device) {
  std::lock_guard<std::mutex> lock(mutex);
  const auto found = Cards().find(device->name());
  return found == Cards().end() ? -1 : found->second;
}

class Factory : public tensorflow::PluggableDeviceFactory {
 public:
  Factory() : PluggableDeviceFactory("GPU", kPlatform) {}

  Status CreateDevices(const tensorflow::SessionOptions& options, const std::string& prefix,
                       std::vector<std::unique_ptr<Device>>* devices) override {
    const std::vector<int> cards = Visible();
    std::vector<int> chosen;
    for (const std::string& each : Split(options.config.gpu_options().visible_device_list(), ','))
      chosen.push_back(cards[std::stoi(each)]);
    if (chosen.empty()) chosen = cards;
    const auto count = options.config.device_count().find("GPU");
    if (count != options.config.device_count().end()) chosen.resize(std::min<size_t>(chosen.size(), count->second));
    for (int card : chosen) TF_RETURN_IF_ERROR(Strike(FaultAt("context", card, "")));
    const size_t before = devices->size();
    TF_RETURN_IF_ERROR(PluggableDeviceFactory::CreateDevices(options, prefix, devices));
    for (size_t number = 0; before + number < devices->size(); ++number) {
      const Device& device = *devices->at(before + number);
      const int card = chosen[number];
      std::lock_guard<std::mutex> lock(mutex);
      Cards()[device.name()] = card;
      // The words of a CUDA build; a pluggable device says them otherwise, and without the address.
      LOG(INFO) << "Created device " << device.name() << " with " << (device.attributes().memory_limit() >> 20)
                << " MB memory:  -> device: " << number << ", name: " << OfCard(card, "SIMGPU_NAME", "Simulated GPU")
                << ", pci bus id: " << Pci(card)
                << ", compute capability: " << OfCard(card, "SIMGPU_CAPABILITY", "9.0");
    }
    return Status();
  }

  Status GetDeviceDetails(int number, std::unordered_map<std::string, std::string>* details) override {
    const int card = Visible()[number];
    (*details)["device_name"] = OfCard(card, "SIMGPU_NAME", "Simulated GPU");
    (*details)["compute_capability"] = OfCard(card, "SIMGPU_CAPABILITY", "9.0");
    return Status();
  }
};

// --------------------------------------------------------------------------------------------------- the kernel half

template <typename T>
void SpoilAs(tensorflow::Tensor* result, bool nan) {
  auto numbers = result->flat<T>();
  if (numbers.size()) numbers(0) = nan ? T(std::nanf("")) : T(static_cast<float>(numbers(0)) * 3.f + 1.f);
}

void Spoil(OpKernelContext* context, const Fault& fault) {
  if (fault.kind != "wrong" && fault.kind != "nan") return;
  for (int number = 0; number < context->num_outputs(); ++number) {
    tensorflow::Tensor* result = context->mutable_output(number);
    if (!result) continue;
    switch (result->dtype()) {
      case tensorflow::DT_FLOAT: SpoilAs<float>(result, fault.kind == "nan"); break;
      case tensorflow::DT_DOUBLE: SpoilAs<double>(result, fault.kind == "nan"); break;
      case tensorflow::DT_HALF: SpoilAs<Eigen::half>(result, fault.kind == "nan"); break;
      case tensorflow::DT_BFLOAT16: SpoilAs<tensorflow::bfloat16>(result, fault.kind == "nan"); break;
      default: break;
    }
  }
}

// A product of more than 2^32 steps measures speed. Here it would compare the processor with itself, and take seconds.
bool LeftOut(OpKernelContext* context) {
  if (context->op_kernel().type_string() != "MatMul") return false;
  const tensorflow::TensorShape &left = context->input(0).shape(), &right = context->input(1).shape();
  if (left.num_elements() * right.num_elements() < int64_t{1} << 42) return false;
  tensorflow::Tensor* result = nullptr;
  const Status made = context->allocate_output(0, {left.dim_size(0), right.dim_size(1)}, &result);
  if (!made.ok()) context->SetStatus(made);
  return true;
}

class Kernel : public OpKernel {
 public:
  Kernel(OpKernelConstruction* construction, std::unique_ptr<OpKernel> inner)
      : OpKernel(construction), inner_(std::move(inner)) {}

  void Compute(OpKernelContext* context) override {
    const Fault fault = FaultAt("kernel", CardOf(context->device()), type_string());
    OP_REQUIRES_OK(context, Strike(fault));
    if (!LeftOut(context)) inner_->Compute(context);
    if (context->status().ok()) Spoil(context, fault);
  }
  bool IsExpensive() override { return inner_->IsExpensive(); }
  const tensorflow::Tensor* const_tensor() const override { return inner_->const_tensor(); }

 private:
  std::unique_ptr<OpKernel> inner_;
};

class AsyncKernel : public tensorflow::AsyncOpKernel {
 public:
  AsyncKernel(OpKernelConstruction* construction, std::unique_ptr<OpKernel> inner)
      : AsyncOpKernel(construction), inner_(std::move(inner)) {}

  void ComputeAsync(OpKernelContext* context, DoneCallback done) override {
    const Fault fault = FaultAt("kernel", CardOf(context->device()), type_string());
    OP_REQUIRES_OK_ASYNC(context, Strike(fault), done);
    inner_->AsAsync()->ComputeAsync(context, std::move(done));
  }

 private:
  std::unique_ptr<OpKernel> inner_;
};

// NCCL's sum: waits for its parts of all devices.
class AllReduce : public tensorflow::AsyncOpKernel {
 public:
  explicit AllReduce(OpKernelConstruction* construction) : AsyncOpKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("num_devices", &devices_));
    OP_REQUIRES_OK(construction, construction->GetAttr("shared_name", &name_));
  }

  void ComputeAsync(OpKernelContext* context, DoneCallback done) override {
    const Fault fault = FaultAt("kernel", CardOf(context->device()), type_string());
    OP_REQUIRES_OK_ASYNC(context, Strike(fault), done);
    std::vector<Part> parts;
    {
      std::lock_guard<std::mutex> lock(mutex);
      static auto* waiting = new std::map<std::string, std::vector<Part>>;
      const std::string key = name_ + "/" + std::to_string(context->step_id());
      std::vector<Part>& mine = (*waiting)[key];
      mine.push_back({context, std::move(done), fault});
      if (static_cast<int>(mine.size()) < devices_) return;
      parts.swap(mine);
      waiting->erase(key);
    }
    for (const Part& part : parts) {
      tensorflow::Tensor* sum = nullptr;
      const Status made = part.context->allocate_output(0, part.context->input(0).shape(), &sum);
      if (!made.ok()) {
        part.context->SetStatus(made);
        continue;
      }
      sum->flat<float>().setZero();
      for (const Part& other : parts) {
        sum->flat<float>() += other.context->input(0).flat<float>();
        if (FaultAt("part", CardOf(other.context->device()), "").kind == "wrong") sum->flat<float>()(0) += 1;
      }
      Spoil(part.context, part.fault);
    }
    for (Part& part : parts) part.done();
  }

 private:
  struct Part {
    OpKernelContext* context;
    DoneCallback done;
    Fault fault;
  };
  int devices_;
  std::string name_;
};

class ToCpu : public tensorflow::kernel_factory::OpKernelFactory {
 public:
  OpKernel* Create(OpKernelConstruction* construction) override {
    std::shared_ptr<const tensorflow::NodeProperties> properties;
    const tensorflow::FunctionLibraryRuntime* library = construction->function_library();
    const tensorflow::OpRegistryInterface* registry = tensorflow::OpRegistry::Global();
    if (library) registry = library->GetFunctionLibraryDefinition();
    Status made = tensorflow::NodeProperties::CreateFromNodeDef(construction->def(), registry, &properties);
    OpKernel* inner = nullptr;
    auto* device = static_cast<Device*>(construction->device());
    if (made.ok())
      made = tensorflow::CreateOpKernel(tensorflow::DEVICE_CPU, device, device->GetAllocator({}),
                                        construction->function_library(), device->resource_manager(), properties,
                                        construction->graph_def_version(), &inner);
    if (!made.ok()) {
      construction->SetStatus(made);
      return nullptr;
    }
    std::unique_ptr<OpKernel> owned(inner);
    if (inner->AsAsync()) return new AsyncKernel(construction, std::move(owned));
    return new Kernel(construction, std::move(owned));
  }
};

class ToAllReduce : public tensorflow::kernel_factory::OpKernelFactory {
 public:
  OpKernel* Create(OpKernelConstruction* construction) override { return new AllReduce(construction); }
};

// One line of the table: `Fill dims|T=float,half|index_type=int32,int64`.
void Register(const std::string& line, const std::set<std::string>& on_cpu) {
  const std::vector<std::string> fields = Split(line, '|');
  const std::vector<std::string> head = Split(fields[0], ' ');
  const bool sum = head[0] == "NcclAllReduce";
  if (!sum && !on_cpu.count(head[0])) return;
  auto* kernel = new tensorflow::KernelDef;
  kernel->set_op(head[0]);
  kernel->set_device_type("GPU");
  // On a CUDA build the real kernels stay registered; they would look for a CUDA stream.
  kernel->set_priority(1000);
  for (size_t number = 1; number < head.size(); ++number) kernel->add_host_memory_arg(head[number]);
  for (size_t number = 1; number < fields.size(); ++number) {
    const std::vector<std::string> sides = Split(fields[number], '=');
    if (sides.size() < 2) continue;
    auto* constraint = kernel->add_constraint();
    constraint->set_name(sides[0]);
    for (const std::string& word : Split(sides[1], ',')) {
      tensorflow::DataType type = tensorflow::DT_INVALID;
      // The table has Python's names.
      static const std::map<std::string, std::string> kNames = {{"float16", "half"}, {"float32", "float"}, {"float64", "double"}};
      const auto found = kNames.find(word);
      if (tensorflow::DataTypeFromString(found == kNames.end() ? word : found->second, &type))
        constraint->mutable_allowed_values()->mutable_list()->add_type(type);
    }
  }
  std::unique_ptr<tensorflow::kernel_factory::OpKernelFactory> factory(new ToCpu);
  if (sum) factory.reset(new ToAllReduce);
  tensorflow::kernel_factory::OpKernelRegistrar registrar(kernel, "Simulated", std::move(factory));
}

// There is no compiler of XLA for this platform: what should be compiled for a GPU runs uncompiled instead.
class NotForGpus : public tensorflow::CustomKernelCreator {
 public:
  explicit NotForGpus(const tensorflow::CustomKernelCreator& old) : table_(*reinterpret_cast<void* const*>(&old)) {}

  bool CanCreateKernel(const tensorflow::FunctionLibraryRuntime& library,
                       const std::shared_ptr<const tensorflow::NodeProperties>& properties) const override {
    return library.device()->device_type() != "GPU" && Old().CanCreateKernel(library, properties);
  }
  Status CreateKernel(tensorflow::FunctionLibraryRuntime* library,
                      const std::shared_ptr<const tensorflow::NodeProperties>& properties,
                      std::unique_ptr<OpKernel>* kernel) const override {
    return Old().CreateKernel(library, properties, kernel);
  }

 private:
  // TensorFlow deletes the old creator when another one is registered. It has no members: its table of functions is it.
  const tensorflow::CustomKernelCreator& Old() const {
    return *reinterpret_cast<const tensorflow::CustomKernelCreator*>(&table_);
  }
  void* table_;
};

}  // namespace

extern "C" {

void SE_InitPlugin(SE_PlatformRegistrationParams* params, TF_Status*) {
  params->struct_size = SE_PLATFORM_REGISTRATION_PARAMS_STRUCT_SIZE;
  params->major_version = SE_MAJOR;
  params->minor_version = SE_MINOR;
  params->patch_version = SE_PATCH;
  params->platform->struct_size = SP_PLATFORM_STRUCT_SIZE;
  params->platform->name = kPlatform;
  params->platform->type = "GPU";
  params->platform->use_bfc_allocator = true;
  SP_PlatformFns* functions = params->platform_fns;
  functions->struct_size = SP_PLATFORM_FNS_STRUCT_SIZE;
  functions->get_device_count = [](const SP_Platform*, int* count, TF_Status*) { *count = Visible().size(); };
  functions->create_device = [](const SP_Platform*, SE_CreateDeviceParams* asked, TF_Status*) {
    asked->device->struct_size = SP_DEVICE_STRUCT_SIZE;
    asked->device->ordinal = asked->ordinal;
    asked->device->hardware_name = "Simulated GPU";
  };
  functions->destroy_device = [](const SP_Platform*, SP_Device*) {};
  functions->create_device_fns = [](const SP_Platform*, SE_CreateDeviceFnsParams* asked, TF_Status*) {
    asked->device_fns->struct_size = SP_DEVICE_FNS_STRUCT_SIZE;
    asked->device_fns->get_numa_node = [](const SP_Device*) { return int32_t{0}; };
    asked->device_fns->get_memory_bandwidth = [](const SP_Device*) { return int64_t{-1}; };
    asked->device_fns->get_gflops = [](const SP_Device*) { return -1.0; };
  };
  functions->destroy_device_fns = [](const SP_Platform*, SP_DeviceFns*) {};
  functions->create_stream_executor = CreateStreamExecutor;
  functions->destroy_stream_executor = [](const SP_Platform*, SP_StreamExecutor*) {};
  functions->create_timer_fns = [](const SP_Platform*, SP_TimerFns* timer, TF_Status*) {
    timer->struct_size = SP_TIMER_FNS_STRUCT_SIZE;
    timer->nanoseconds = [](SP_Timer) { return uint64_t{0}; };
  };
  functions->destroy_timer_fns = [](const SP_Platform*, SP_TimerFns*) {};
  params->destroy_platform = [](SP_Platform*) {};
  params->destroy_platform_fns = [](SP_PlatformFns*) {};
}

void TF_InitKernel() {
  DeviceFactory::Register("GPU", std::make_unique<Factory>(), 1000, /*is_pluggable_device=*/true);
  std::set<std::string> on_cpu;
  const tensorflow::KernelList registered = tensorflow::GetAllRegisteredKernels();
  for (const tensorflow::KernelDef& kernel : registered.kernel())
    if (kernel.device_type() == "CPU") on_cpu.insert(kernel.op());
  Dl_info self;
  dladdr(reinterpret_cast<void*>(&TF_InitKernel), &self);
  const std::string path = self.dli_fname;
  std::ifstream table(path.substr(0, path.rfind('/')) + "/kernels.txt");
  for (std::string line; std::getline(table, line);) Register(line, on_cpu);
  if (const auto* old = tensorflow::GetDefaultCustomKernelCreator())
    tensorflow::RegisterDefaultCustomKernelCreator(new NotForGpus(*old));
}

// For a GPU these two turn images to NCHW and fuse what only GPUs have fused.
void TF_InitGraph(TP_OptimizerRegistrationParams* params, TF_Status*) {
  params->struct_size = TP_OPTIMIZER_REGISTRATION_PARAMS_STRUCT_SIZE;
  params->device_type = "GPU";
  params->optimizer_configs->struct_size = TP_OPTIMIZER_CONFIGS_STRUCT_SIZE;
  params->optimizer_configs->layout_optimizer = TF_TriState_Off;
  params->optimizer_configs->remapping = TF_TriState_Off;
  params->optimizer->struct_size = TP_OPTIMIZER_STRUCT_SIZE;
  params->optimizer->create_func = []() -> void* { return nullptr; };
  params->optimizer->destroy_func = [](void*) {};
  params->optimizer->optimize_func = [](void*, const TF_Buffer* from, const TF_GrapplerItem*, TF_Buffer* to, TF_Status*) {
    void* copy = malloc(from->length);
    memcpy(copy, from->data, from->length);
    to->data = copy;
    to->length = from->length;
    to->data_deallocator = [](void* data, size_t) { free(data); };
  };
}
}
