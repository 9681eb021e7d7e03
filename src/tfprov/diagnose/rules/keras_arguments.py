"""Arguments that one Keras takes and another does not, from the signatures of Keras 1.2, 2.2 to 2.15 and 3.0 to 3.12."""

from __future__ import annotations

_OF_KERAS_1 = (
    *("output_dim", "nb_filter", "nb_row", "nb_col", "filter_length", "border_mode", "subsample", "subsample_length"),
    *("dim_ordering", "inner_init", "inner_activation", "forget_bias_init", "dropout_U", "dropout_W", "consume_less"),
    *("W_regularizer", "U_regularizer", "b_regularizer", "W_constraint", "b_constraint", "beta_init", "gamma_init"),
    *("pool_length", "concat_axis", "dot_axes", "nb_epoch", "nb_worker", "nb_val_samples", "nb_val_worker"),
    *("samples_per_epoch", "val_samples", "max_q_size", "pickle_safe", "show_accuracy", "class_mode", "input_dtype"),
)
_OF_KERAS_2 = (
    *("use_multiprocessing", "max_queue_size", "save_format", "include_optimizer", "save_traces", "by_name"),
    *("sample_weight_mode", "target_tensors", "cloning", "distribute", "experimental_run_tf_function"),
    *("experimental_steps_per_execution", "experimental_autocast", "schedule_decay", "batch_input_shape"),
    *("input_length", "time_major", "renorm", "renorm_clipping", "renorm_momentum", "fused", "virtual_batch_size"),
    *("enable_caching_device", "caching_device", "partitioner", "use_resource", "reset_metrics", "write_grads"),
    *(
        "embeddings_layer_names",
        "embeddings_data",
        "save_before_preemption",
        "use_one_hot_matmul",
        "pss_evaluation_shards",
    ),
    *("reverse_state_order", "count_mode", "stateful_metrics", "type_spec", "ema_option", "gradients_clip_option"),
)
_OF_LATER_KERAS = (
    *("batch_shape", "quantization_config", "ragged", "jit_compile", "weight_decay", "use_ema", "ema_momentum"),
    *("ema_overwrite_frequency", "global_clipnorm", "loss_scale_factor", "gradient_accumulation_steps"),
    *("auto_scale_loss", "steps_per_execution", "run_eagerly", "synchronized", "start_from_epoch", "lora_rank"),
    *("lora_alpha", "negative_slope", "use_cudnn", "flash_attention", "zero_output_for_mask", "crop_to_aspect_ratio"),
    *("pad_to_aspect_ratio", "keep_aspect_ratio", "rms_scaling", "overwrite_with_gradient", "output_padding"),
    *("initial_value_threshold", "double_checkpoint", "learning_rate", "restore_best_weights", "skip_mismatch"),
    *("brightness_range", "interpolation_order", "data_format", "recurrent_activation", "reset_after"),
)
DISTINCT = (*_OF_KERAS_1, *_OF_KERAS_2, *_OF_LATER_KERAS)
"""Those that say by their name that they are of Keras."""
PLAIN = (
    *("lr", "decay", "period", "workers", "p", "init", "bias", "sigma", "stride", "length", "input_dim", "weights"),
    *(
        "implementation",
        "dynamic",
        "autocast",
        "groups",
        "seed",
        "optional",
        "options",
        "signatures",
        "filters",
        "freeze",
    ),
    *("mode", "aggregation", "synchronization", "collections", "getter", "updates", "adjustment", "alpha", "dropout"),
    *("units", "kernel_size", "pool_size", "strides", "padding", "rate", "use_bias", "kernel_initializer"),
    *("bias_initializer", "recurrent_initializer", "beta_initializer", "gamma_initializer", "kernel_regularizer"),
    *("bias_regularizer", "recurrent_regularizer", "kernel_constraint", "bias_constraint", "recurrent_constraint"),
    *("dilation_rate", "cropping", "name", "dtype", "trainable", "keepdims", "axis", "epochs", "shape", "input_shape"),
)
"""Others, which count only where Keras itself says that it does not know them."""
