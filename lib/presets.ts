/**
 * The layers and hyperparameters of the paper, to be spread into the options of `NACUE.create`.
 *
 * Source: `configs/postprocessors/nac/**.yml` of BierOne/ood_coverage (commit b002780), the authors' own settings for OpenOOD v1.5; their
 * `layer4` is the output of the average pooling. Layer names are torchvision's, and those of OpenOOD's CIFAR ResNet-18. They belong to
 * `preset: 'openood'`: with pytorch-ood's formula they mean something else. The authors fit on 1,000 class-balanced training images,
 * the ViT on 50,000.
 */
import type { NACUEOptions } from './options.js';

/** A ready choice of options; add `inputShape`, `device` and what else your program needs. */
export type PresetOptions = Pick<NACUEOptions, 'layers' | 'preset' | 'mBins' | 'alpha' | 'oStar'>;

const resNetLayers = ['avgpool', 'layer3', 'layer2', 'layer1'];

/** @example await NACUE.create('resnet50.pt', { ...presets.imagenetResNet50, inputShape: [3, 224, 224] }) */
export const presets = frozen({
  /** CIFAR-10, ResNet-18, 32x32: `resnet/nac_cifar10.yml`. */
  cifar10ResNet18: {
    preset: 'openood',
    layers: resNetLayers,
    mBins: [50, 500, 50, 500],
    alpha: [100, 1000, 0.001, 0.001],
    oStar: [50, 100, 5, 100],
  },
  /** CIFAR-100, ResNet-18, 32x32: `resnet/nac_cifar100.yml`. */
  cifar100ResNet18: {
    preset: 'openood',
    layers: resNetLayers,
    mBins: [50, 1000, 50, 50],
    alpha: [50, 10, 1, 0.005],
    oStar: [50, 500, 500, 5],
  },
  /** ImageNet-1K, ResNet-50, 224x224: `resnet/nac_imagenet.yml`. */
  imagenetResNet50: {
    preset: 'openood',
    layers: resNetLayers,
    mBins: [50, 50, 500, 1000],
    alpha: [3000, 300, 0.01, 1],
    oStar: [10, 500, 50, 5000],
  },
  /** ImageNet-1K, ViT-B/16, 224x224: `vit/nac_imagenet.yml`. The final norm gives its class token, the others sum their tokens. */
  imagenetViTB16: {
    preset: 'openood',
    layers: [
      'encoder.ln',
      'encoder.layers.encoder_layer_11.ln_2',
      'encoder.layers.encoder_layer_10.ln_2',
      'encoder.layers.encoder_layer_9.ln_2',
    ],
    mBins: [50, 500, 500, 1000],
    alpha: [100, 1, 10, 1],
    oStar: [500, 50, 10, 10],
  },
} as const satisfies Record<string, PresetOptions>);

// They are shared by the whole program.
function frozen<T extends object>(value: T): Readonly<T> {
  for (const part of Object.values(value)) if (typeof part === 'object') frozen(part);
  return Object.freeze(value);
}
