// SPDX-License-Identifier: Apache-2.0
// The Node addon: everything in addon.d.ts and nothing else. The only file that includes Node-API.
//
// Arguments are type-checked here, documents by the decoders. A failure becomes a JavaScript Error with a
// `code`.
#include <napi.h>
#include <openssl/crypto.h>

#include <memory>
#include <string>

#include "proxy/data_plane.h"
#include "proxy/explain.h"

namespace mango::binding {

namespace {

using proxy::DataPlaneError;

Napi::Error make_error(Napi::Env env, const DataPlaneError& error) {
  Napi::Error made = Napi::Error::New(env, error.message);
  made.Value().Set("code", error.code);
  return made;
}

Napi::Error wrong_type(Napi::Env env, const char* what) {
  return make_error(env, {"ERR_INVALID_ARG_TYPE", what});
}

std::string text_argument(const Napi::CallbackInfo& info, size_t index) {
  if (index < info.Length() && info[index].IsString()) return info[index].As<Napi::String>().Utf8Value();
  throw wrong_type(info.Env(), "a string was expected");
}

std::string text_member(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (value.IsString()) return value.As<Napi::String>().Utf8Value();
  throw wrong_type(object.Env(), name);
}

size_t workers_member(const Napi::Object& object) {
  constexpr double kMaxWorkers = 256;
  const Napi::Value value = object.Get("workers");
  const double count = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : 0;
  if (count >= 1 && count <= kMaxWorkers) return static_cast<size_t>(count);
  throw wrong_type(object.Env(), "workers must be a number from 1 to 256");
}

int index_member(const Napi::Object& object) {
  constexpr double kMaxIndex = 255;
  const Napi::Value value = object.Get("ipcIndex");
  const double index = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
  if (index >= 0 && index <= kMaxIndex) return static_cast<int>(index);
  throw wrong_type(object.Env(), "ipcIndex must be a number from 0 to 255");
}

// Settles a promise from a thread of the data plane.
template <typename Value>
class Answer {
 public:
  explicit Answer(Napi::Env env)
      : deferred_(Napi::Promise::Deferred::New(env)),
        function_(Napi::ThreadSafeFunction::New(env, Napi::Function(), "mango-edge answer", 0, 1)) {}
  [[nodiscard]] Napi::Promise promise() const { return deferred_.Promise(); }
  void reject(const DataPlaneError& error) {
    deferred_.Reject(make_error(deferred_.Env(), error).Value());
    function_.Release();
  }
  void operator()(Value value) const {
    auto* carried = new Value(std::move(value));
    function_.BlockingCall(carried, [deferred = deferred_](Napi::Env env, Napi::Function, Value* given) {
      const std::unique_ptr<Value> owner(given);
      if (env != nullptr) deferred.Resolve(Napi::Value::From(env, *owner));
    });
    function_.Release();
  }
  void fail(DataPlaneError error) const {
    auto* carried = new DataPlaneError(std::move(error));
    function_.BlockingCall(carried,
                           [deferred = deferred_](Napi::Env env, Napi::Function, DataPlaneError* given) {
                             const std::unique_ptr<DataPlaneError> owner(given);
                             if (env != nullptr) deferred.Reject(make_error(env, *owner).Value());
                           });
    function_.Release();
  }

 private:
  Napi::Promise::Deferred deferred_;
  Napi::ThreadSafeFunction function_;
};

class DataPlaneObject : public Napi::ObjectWrap<DataPlaneObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "DataPlane",
        {InstanceMethod<&DataPlaneObject::apply>("apply"),
         InstanceMethod<&DataPlaneObject::set_endpoints>("setEndpoints"),
         InstanceMethod<&DataPlaneObject::set_bans>("setBans"),
         InstanceMethod<&DataPlaneObject::drain>("drain"), InstanceMethod<&DataPlaneObject::stop>("stop"),
         InstanceMethod<&DataPlaneObject::counters>("counters"),
         InstanceMethod<&DataPlaneObject::events>("events"),
         InstanceMethod<&DataPlaneObject::sessions>("sessions"), InstanceMethod<&DataPlaneObject::act>("act"),
         InstanceMethod<&DataPlaneObject::upstreams>("upstreams"),
         InstanceMethod<&DataPlaneObject::device>("device"),
         InstanceMethod<&DataPlaneObject::ask_device>("askDevice"),
         InstanceMethod<&DataPlaneObject::reset_device>("resetDevice"),
         InstanceMethod<&DataPlaneObject::reopen_access_log>("reopenAccessLog")});
  }

  explicit DataPlaneObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<DataPlaneObject>(info) {
    if (info.Length() < 2 || !info[0].IsObject() || !info[1].IsFunction())
      throw wrong_type(info.Env(), "options and a function were expected");
    const auto options = info[0].As<Napi::Object>();
    wake_ =
        Napi::ThreadSafeFunction::New(info.Env(), info[1].As<Napi::Function>(), "mango-edge events", 0, 1);
    wake_.Unref(info.Env());  // events alone do not keep the process alive
    DataPlaneError error;
    plane_ = proxy::DataPlane::create({.workers = workers_member(options),
                                       .engine = {.library = text_member(options, "library"),
                                                  .ipc_address = text_member(options, "ipcAddress"),
                                                  .ipc_index = index_member(options)},
                                       .access_log_path = text_member(options, "accessLogPath"),
                                       .wake = [this] { wake_.NonBlockingCall(); }},
                                      error);
    if (plane_) return;
    wake_.Release();
    throw make_error(info.Env(), error);
  }

  ~DataPlaneObject() override { shut_down(); }

 private:
  proxy::DataPlane& plane(const Napi::CallbackInfo& info) {
    if (!stopped_) return *plane_;
    throw make_error(info.Env(), {"STOPPED", "the data plane was stopped"});
  }

  Napi::Value apply(const Napi::CallbackInfo& info) {
    std::string answer;
    DataPlaneError error;
    if (!plane(info).apply(text_argument(info, 0), answer, error)) throw make_error(info.Env(), error);
    return Napi::String::New(info.Env(), answer);
  }

  void set_endpoints(const Napi::CallbackInfo& info) {
    const std::string key = text_argument(info, 0);
    if (info.Length() < 2 || !info[1].IsArray())
      throw wrong_type(info.Env(), "an array of strings was expected");
    const auto list = info[1].As<Napi::Array>();
    std::vector<std::string> endpoints;
    for (uint32_t i = 0; i < list.Length(); ++i) {
      const Napi::Value item = list.Get(i);
      if (!item.IsString()) throw wrong_type(info.Env(), "an array of strings was expected");
      endpoints.push_back(item.As<Napi::String>().Utf8Value());
      if (!config::is_endpoint(endpoints.back()))
        throw make_error(info.Env(), {"ENDPOINT_INVALID", "not an endpoint: " + endpoints.back()});
    }
    plane(info).set_endpoints(key, endpoints);
  }

  void set_bans(const Napi::CallbackInfo& info) {
    DataPlaneError error;
    if (!plane(info).set_bans(text_argument(info, 0), error)) throw make_error(info.Env(), error);
  }

  Napi::Value sessions(const Napi::CallbackInfo& info) {
    Answer<std::string> answer(info.Env());
    DataPlaneError error;
    if (!plane(info).sessions(text_argument(info, 0), answer, error)) answer.reject(error);
    return answer.promise();
  }

  Napi::Value act(const Napi::CallbackInfo& info) {
    Answer<uint64_t> answer(info.Env());
    DataPlaneError error;
    const auto done = [answer](uint64_t count) { answer(count); };
    if (!plane(info).act(text_argument(info, 0), text_argument(info, 1), done, error)) answer.reject(error);
    return answer.promise();
  }

  Napi::Value device(const Napi::CallbackInfo& info) {
    return Napi::String::New(info.Env(), plane(info).device());
  }

  Napi::Value ask_device(const Napi::CallbackInfo& info) {
    proxy::DataPlane& asked = plane(info);
    const Answer<std::string> answer(info.Env());
    asked.ask_device(answer);
    return answer.promise();
  }

  Napi::Value reset_device(const Napi::CallbackInfo& info) {
    proxy::DataPlane& asked = plane(info);
    if (info.Length() < 1 || !info[0].IsBoolean()) throw wrong_type(info.Env(), "a boolean was expected");
    const Answer<bool> answer(info.Env());
    asked.reset_device(info[0].As<Napi::Boolean>().Value(), [answer](DataPlaneError error) {
      if (*error.code == 0)
        answer(true);
      else
        answer.fail(std::move(error));
    });
    return answer.promise();
  }

  void drain(const Napi::CallbackInfo& info) { plane(info).drain(); }
  void stop(const Napi::CallbackInfo&) { shut_down(); }
  Napi::Value counters(const Napi::CallbackInfo& info) {
    return Napi::String::New(info.Env(), plane(info).counters());
  }
  Napi::Value events(const Napi::CallbackInfo& info) {
    return Napi::String::New(info.Env(), plane(info).events());
  }
  Napi::Value upstreams(const Napi::CallbackInfo& info) {
    return Napi::String::New(info.Env(), plane(info).upstreams());
  }
  void reopen_access_log(const Napi::CallbackInfo& info) { plane(info).reopen_access_log(); }

  void shut_down() {
    if (stopped_ || !plane_) return;
    stopped_ = true;
    plane_->stop();
    wake_.Release();
  }

  Napi::ThreadSafeFunction wake_;
  std::unique_ptr<proxy::DataPlane> plane_;
  bool stopped_ = false;
};

Napi::Value explain(const Napi::CallbackInfo& info) {
  const std::string json = text_argument(info, 0);
  config::DecodeError decode_error;
  config::Document document;
  config::ExplainRequest request;
  if (!config::decode(json, document, decode_error))
    throw make_error(info.Env(), {"SNAPSHOT_INVALID", decode_error.text()});
  if (!config::decode_explain(text_argument(info, 1), request, decode_error))
    throw make_error(info.Env(), {"EXPLAIN_INVALID", decode_error.text()});
  std::string error;
  const auto router = proxy::Router::build(document, error);
  if (!router) throw make_error(info.Env(), {"SNAPSHOT_INVALID", error});
  return Napi::String::New(info.Env(), proxy::explain(document, *router, request));
}

Napi::Value versions(const Napi::CallbackInfo& info) {
  Napi::Object object = Napi::Object::New(info.Env());
  object.Set("openssl", OpenSSL_version(OPENSSL_VERSION));
  object.Set("engine", "kernel (built in)");
  return object;
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  exports.Set("DataPlane", DataPlaneObject::define(env));
  exports.Set("explain", Napi::Function::New<explain>(env, "explain"));
  exports.Set("versions", Napi::Function::New<versions>(env, "versions"));
  return exports;
}

}  // namespace

NODE_API_MODULE(mango_edge, initialise)

}  // namespace mango::binding
