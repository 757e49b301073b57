"""The data sets that can be fetched: what they are, their licence, and where their files lie."""

from dataclasses import dataclass


@dataclass(frozen=True)
class File:
    """One file of a data set.

    Attributes:
        name: in the data set's folder; `*.gz` is packed when it is stored.
        url: where it is downloaded from.
        sha256: of the content, unpacked, because no two packers give the same bytes.
        size: of the content in bytes.
        packed: whether it is downloaded as a gzip file, too.
    """

    name: str
    url: str
    sha256: str
    size: int
    packed: bool = False


@dataclass(frozen=True)
class Dataset:
    """What a data set is, under which licence, and its files."""

    about: str
    licence: str
    files: tuple[File, ...]

    @property
    def size(self) -> int:
        """Bytes of all files, unpacked."""
        return sum(file.size for file in self.files)


_GITHUB = "https://raw.githubusercontent.com"  # addresses name a commit: they cannot change
_FASHION = (
    f"{_GITHUB}/zalandoresearch/fashion-mnist/b2617bb6d3ffa2e429640350f613e3291e10b141/data/fashion"
)
_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist"
_WIKITEXT = (
    f"{_GITHUB}/pytorch/examples/77f55b912142e11fcfdf5b530231fb9c52f181e8"
    "/word_language_model/data/wikitext-2"
)
_SHAKESPEARE = f"{_GITHUB}/karpathy/char-rnn/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data"
_WNUT = f"{_GITHUB}/leondz/emerging_entities_17/e52a2d2a71ac1a051ca2d532eef28653c5c02603"
_BIO = (
    f"{_GITHUB}/cambridgeltl/MTL-Bioinformatics-2016/df0df02fae6dbb87d88ffcf323b9096528f06f84/data"
)
_WEIBO = f"{_GITHUB}/hltcoe/golden-horse/7a73c08e45ed94312af4ef2d97cc35a47d029e99/data"
_NLTK = f"{_GITHUB}/nltk/nltk_data/5db857e6f7df11eabb5e5665836db9ec8df07e28/packages/corpora"
_CLINC = f"{_GITHUB}/clinc/oos-eval/828f8093932c8fe6ca7936c3d2e52903b1c523de/data"
_BANKING = (
    f"{_GITHUB}/PolyAI-LDN/task-specific-datasets/57ec275d8078af65b7731c2a98be812d844a6d6b"
    "/banking_data"
)
DATASETS = {
    "wikitext-2": Dataset(
        about="2 million words of Wikipedia, rare words as <unk> (Merity et al. 2016)",
        licence="CC BY-SA 3.0",
        files=(
            File(
                "wiki.train.tokens.gz",
                f"{_WIKITEXT}/train.txt",
                "9e9fa1ad55b1c2c95b08e37dd8e653f638fac2c6de904b79e813611eefbc985f",
                10_797_148,
            ),
            File(
                "wiki.valid.tokens.gz",
                f"{_WIKITEXT}/valid.txt",
                "f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8",
                1_121_681,
            ),
            File(
                "wiki.test.tokens.gz",
                f"{_WIKITEXT}/test.txt",
                "d790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0",
                1_256_449,
            ),
        ),
    ),
    "tinyshakespeare": Dataset(
        about="40,000 lines of plays (Karpathy 2015)",
        licence="MIT; the text is in the public domain",
        files=(
            File(
                "input.txt",
                f"{_SHAKESPEARE}/tinyshakespeare/input.txt",
                "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
                1_115_394,
            ),
        ),
    ),
    "wnut17": Dataset(
        about="tweets and posts with new and rare names (Derczynski et al. 2017)",
        licence="CC BY 4.0",
        files=(
            File(
                "wnut17train.conll",
                f"{_WNUT}/wnut17train.conll",
                "731820e13f71af324c6b55a1575ec2ce59fbaa2a0806f8f0400b98d56cd6a7a5",
                493_781,
            ),
            File(
                "emerging.dev.conll",
                f"{_WNUT}/emerging.dev.conll",
                "e053b752b8155113ca66e7db08af5f2f5f43ab993694e4774f1ec5bad42312d8",
                114_749,
            ),
            File(
                "emerging.test.annotated",
                f"{_WNUT}/emerging.test.annotated",
                "2aa79b764e56ec9264a1b30fdd9b70195bd00ff400b62edd8f399d5f13c178f0",
                192_425,
            ),
        ),
    ),
    "bc5cdr": Dataset(
        about="abstracts with names of chemicals and diseases (Li et al. 2016)",
        licence="CC BY 4.0",
        files=(
            File(
                "IOB/train.tsv.gz",
                f"{_BIO}/BC5CDR-IOB/train.tsv",
                "b731361c0ed73afd04cc5fdad39afcdfd8f325d6e46c282339185a91d1af4c14",
                1_039_940,
            ),
            File(
                "IOB/devel.tsv.gz",
                f"{_BIO}/BC5CDR-IOB/devel.tsv",
                "b909de65c4f7e3c23bb09ad52d654cdc92e96db941abe1a5dcf6f6010c03cff5",
                1_031_781,
            ),
            File(
                "IOB/test.tsv.gz",
                f"{_BIO}/BC5CDR-IOB/test.tsv",
                "e41a2843a5fff0cd8d1a88cb147968d61ae29336ca70cddc3d7fb8ff21dfa1e8",
                1_080_717,
            ),
        ),
    ),
    "ncbi-disease": Dataset(
        about="abstracts with names of diseases (Dogan et al. 2014)",
        licence="CC BY 4.0",
        files=(
            File(
                "IOB/train.tsv.gz",
                f"{_BIO}/NCBI-disease-IOB/train.tsv",
                "58379baf4614b8d757d93dd7a21b202849ca99f9b9d71b49185523ff5443300c",
                1_137_445,
            ),
            File(
                "IOB/devel.tsv.gz",
                f"{_BIO}/NCBI-disease-IOB/devel.tsv",
                "b4e1e7efcc2a35047bf2f3d281648357470e674f555d4a26a0049ac37d59cc61",
                200_352,
            ),
            File(
                "IOB/test.tsv.gz",
                f"{_BIO}/NCBI-disease-IOB/test.tsv",
                "8f088ce45dc4746592188f9e69de3d89d87f3bb8f0ed8c4a287d018123fa148d",
                205_664,
            ),
        ),
    ),
    "weibo-ner": Dataset(
        about="Chinese messages with names and mentions (Peng and Dredze 2015; 2nd edition)",
        licence="CC BY-SA 3.0 (annotation); the messages follow Weibo's terms",
        files=(
            File(
                "weiboNER_2nd_conll.train.gz",
                f"{_WEIBO}/weiboNER_2nd_conll.train",
                "4e8954c54ab33b0afc9a8abb85715c47422645cc6d1b49fdb24540f4a427e997",
                536_039,
            ),
            File(
                "weiboNER_2nd_conll.dev.gz",
                f"{_WEIBO}/weiboNER_2nd_conll.dev",
                "e72730d83aac680505280b6301c879b3ba470d29ac308979d48cdc58ee4907cc",
                105_881,
            ),
            File(
                "weiboNER_2nd_conll.test.gz",
                f"{_WEIBO}/weiboNER_2nd_conll.test",
                "faaf6c0ebde5348b935cfd5c89f0f22c9e0779d60667d8b5efbc647b6707d50e",
                108_767,
            ),
        ),
    ),
    "tatoeba-deu-eng": Dataset(
        about="short sentences of learners, German and English (tatoeba.org, manythings.org/anki)",
        licence="CC BY 2.0",
        files=(
            File(
                "deu-eng.zip",
                f"{_GITHUB}/rioyshky/translation/de48b7027f7318d77010a6e08ed928c10748c23d/deu-eng.zip",
                "b7688f84f99fa33c17397c14d8bd9cef1fdeb2ee0bf50074767023aee8926e28",
                4_012_023,
            ),
        ),
    ),
    "pang-lee-mr-subj": Dataset(
        about="sentences of film reviews by polarity and subjectivity (Pang and Lee 2004, 2005)",
        licence="CC BY 4.0",
        files=(
            File(
                "sentence_polarity.zip",
                f"{_NLTK}/sentence_polarity.zip",
                "6e1ed4405b65c7eabf1d199a7f7c437091ac21da0ea7467b410a74062574566b",
                490_256,
            ),
            File(
                "subjectivity.zip",
                f"{_NLTK}/subjectivity.zip",
                "741f3371e1a4375051b874fd82fd55857b90975473c91c19a3101cbe17fc4d8c",
                521_628,
            ),
        ),
    ),
    "clinc150": Dataset(
        about="requests to an assistant: 150 intents, and out of scope (Larson et al. 2019)",
        licence="CC BY 3.0",
        files=(
            File(
                "data_full.json.gz",
                f"{_CLINC}/data_full.json",
                "36923c3705a59e08fe9c3883d8bc2dd966ef93e22cb78ac41171782a698d56e0",
                2_495_390,
            ),
        ),
    ),
    "banking77": Dataset(
        about="questions to a bank: 77 intents (Casanueva et al. 2020)",
        licence="CC BY 4.0",
        files=(
            File(
                "train.csv",
                f"{_BANKING}/train.csv",
                "b06e26ac675513959a63135f11b94ea7786ed02da65db93a5650d8838cbc664b",
                839_073,
            ),
            File(
                "test.csv",
                f"{_BANKING}/test.csv",
                "d12d6e3bc4c3103966ae786dc435913c0c563dfa328f5a3646d0e62cfeeb474d",
                239_961,
            ),
        ),
    ),
    "fashion-mnist": Dataset(
        about="70,000 images of clothes, 28 x 28, in ten classes (Xiao et al. 2017)",
        licence="MIT",
        files=(
            File(
                "train-images-idx3-ubyte.gz",
                f"{_FASHION}/train-images-idx3-ubyte.gz",
                "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                47_040_016,
                packed=True,
            ),
            File(
                "train-labels-idx1-ubyte.gz",
                f"{_FASHION}/train-labels-idx1-ubyte.gz",
                "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                60_008,
                packed=True,
            ),
            File(
                "t10k-images-idx3-ubyte.gz",
                f"{_FASHION}/t10k-images-idx3-ubyte.gz",
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                7_840_016,
                packed=True,
            ),
            File(
                "t10k-labels-idx1-ubyte.gz",
                f"{_FASHION}/t10k-labels-idx1-ubyte.gz",
                "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
                10_008,
                packed=True,
            ),
        ),
    ),
    "mnist": Dataset(
        about="70,000 images of digits, 28 x 28 (LeCun et al. 1998)",
        licence="CC BY-SA 3.0",
        files=(
            File(
                "train-images-idx3-ubyte.gz",
                f"{_MNIST}/train-images-idx3-ubyte.gz",
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                47_040_016,
                packed=True,
            ),
            File(
                "train-labels-idx1-ubyte.gz",
                f"{_MNIST}/train-labels-idx1-ubyte.gz",
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                60_008,
                packed=True,
            ),
            File(
                "t10k-images-idx3-ubyte.gz",
                f"{_MNIST}/t10k-images-idx3-ubyte.gz",
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                7_840_016,
                packed=True,
            ),
            File(
                "t10k-labels-idx1-ubyte.gz",
                f"{_MNIST}/t10k-labels-idx1-ubyte.gz",
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
                10_008,
                packed=True,
            ),
        ),
    ),
}
